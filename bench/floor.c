/* The floor of the benchmark: the cheapest honest way to receive N RTP streams and keep them.
 *
 * One UDP socket per stream on 127.0.0.1 (base, base + 2, base + 4 ...), one epoll loop, one recv per
 * packet straight into the stream's buffer, one write per stream each 500 ms. Nothing is parsed.
 * With --tick-ms the loop sleeps between sweeps instead of being woken by each packet.
 *
 * usage: floor BASE_PORT STREAMS SECONDS FOLDER [--tick-ms N]
 *
 * It ends SECONDS after the first packet, or after two seconds without any, and prints one JSON object.
 * The CPU time counted is that of the loop: opening the sockets and files is left out.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_STREAMS 4096
#define MAX_SECONDS 3600
#define MAX_DATAGRAM 2048
#define BUFFER_BYTES 16384
#define EVENTS 1024
#define FLUSH_NS 500000000LL
#define NS_PER_S 1000000000LL
#define PACKETS_PER_CALL_MINUTE 3000.0

struct stream {
    int socket, file;
    size_t used;
    unsigned char buffer[BUFFER_BYTES];
};

static struct stream *streams;
static int stream_count;
static long long packets, bytes, wakes, writes;

static void fail(const char *what)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static long number(const char *text, long low, long high, const char *name)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < low || value > high) {
        fprintf(stderr, "floor: %s must be %ld to %ld, not '%s'\n", name, low, high, text);
        exit(2);
    }
    return value;
}

static void allow_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        fail("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit))
        fail("setrlimit");
}

static void open_stream(struct stream *s, int epoll, int index, int port, const char *folder)
{
    char path[4096];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)index};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->socket = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (s->socket < 0 || bind(s->socket, (struct sockaddr *)&address, sizeof address))
        fail("socket");
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, s->socket, &event))
        fail("epoll_ctl");
    snprintf(path, sizeof path, "%s/%d.rtp", folder, index);
    s->file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
    if (s->file < 0)
        fail(path);
}

static void flush(struct stream *s)
{
    size_t done = 0;
    while (done < s->used) {
        ssize_t n = write(s->file, s->buffer + done, s->used - done);
        if (n < 0)
            fail("write");
        done += (size_t)n;
        writes++;
    }
    s->used = 0;
}

static void flush_all(void)
{
    for (int i = 0; i < stream_count; i++)
        if (streams[i].used)
            flush(&streams[i]);
}

/* True when a packet was taken. */
static int take(struct stream *s)
{
    if (s->used + MAX_DATAGRAM > BUFFER_BYTES)
        flush(s);
    ssize_t n = recv(s->socket, s->buffer + s->used, MAX_DATAGRAM, 0);
    if (n < 0)
        return 0;
    s->used += (size_t)n;
    packets++;
    bytes += n;
    return 1;
}

static void run(int epoll, long seconds, long tick_ms)
{
    struct epoll_event events[EVENTS];
    long long end = 0, last = now_ns() + 60 * NS_PER_S, next_flush = now_ns() + FLUSH_NS;

    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, 100);
        long long now = now_ns();
        wakes++;
        for (int i = 0; i < n; i++)
            if (take(&streams[events[i].data.u32])) {
                if (!end)
                    end = now + seconds * NS_PER_S;
                last = now;
            }
        if (now >= next_flush) {
            flush_all();
            next_flush = now + FLUSH_NS;
        }
        if ((end && now >= end) || now > last + 2 * NS_PER_S)
            return;
        if (tick_ms && n < EVENTS)
            usleep((useconds_t)tick_ms * 1000);
    }
}

static double cpu_seconds(int system)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    struct timeval t = system ? usage.ru_stime : usage.ru_utime;
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    if (argc != 5 && !(argc == 7 && !strcmp(argv[5], "--tick-ms"))) {
        fprintf(stderr, "usage: floor BASE_PORT STREAMS SECONDS FOLDER [--tick-ms N]\n");
        return 2;
    }
    int base = (int)number(argv[1], 1024, 65535, "BASE_PORT");
    stream_count = (int)number(argv[2], 1, MAX_STREAMS, "STREAMS");
    long seconds = number(argv[3], 1, MAX_SECONDS, "SECONDS");
    long tick_ms = argc == 7 ? number(argv[6], 0, 100, "--tick-ms") : 0;
    if (base + 2 * (stream_count - 1) > 65535) {
        fprintf(stderr, "floor: the ports end at 65535\n");
        return 2;
    }
    allow_descriptors();
    streams = calloc((size_t)stream_count, sizeof *streams);
    int epoll = epoll_create1(0);
    if (!streams || epoll < 0)
        fail("start");
    for (int i = 0; i < stream_count; i++)
        open_stream(&streams[i], epoll, i, base + 2 * i, argv[4]);
    printf("ready\n");
    fflush(stdout);

    double user = cpu_seconds(0), system = cpu_seconds(1);
    run(epoll, seconds, tick_ms);
    flush_all();
    user = cpu_seconds(0) - user;
    system = cpu_seconds(1) - system;

    double cpu = user + system, each = packets ? cpu / (double)packets : 0;
    printf("{\"streams\": %d, \"packets\": %lld, \"bytes\": %lld, \"wakes\": %lld, \"writes\": %lld, "
           "\"cpu_user_s\": %.4f, \"cpu_system_s\": %.4f, \"cpu_s\": %.4f, \"us_per_packet\": %.3f, "
           "\"cpu_s_per_call_minute\": %.5f}\n",
           stream_count, packets, bytes, wakes, writes, user, system, cpu, each * 1e6,
           each * PACKETS_PER_CALL_MINUTE);
    return 0;
}
