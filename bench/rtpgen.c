/* The load of the benchmark: RTP streams of 50 packets a second, 160 bytes of PCMU in each.
 *
 * Streams are read from standard input, one a line, "HOST PORT [SOURCE_PORT]", and each begins when its
 * line is read: the first packet in the stream's own phase of the 20 ms, the others at absolute times
 * 20 ms apart. Each stream has its own socket, so that what it sends comes from the address that its
 * SDP names. Only 127.0.0.0/8 is accepted as HOST.
 *
 * usage: rtpgen AUDIO_FILE PACKETS_PER_STREAM
 *
 * AUDIO_FILE holds raw mu-law bytes, 8,000 a second, and is repeated; every stream starts at its head.
 * It ends when standard input is closed and every stream is done, and prints one JSON object.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_STREAMS 4096
#define MAX_PACKETS (50 * 3600)
#define MAX_RUN_NS (2LL * 3600 * NS_PER_S)
#define NS_PER_S 1000000000LL
#define PERIOD_NS 20000000LL
#define LONGEST_SLEEP_NS 1000000LL
#define SHORTEST_SLEEP_NS 100000LL
#define PAYLOAD_BYTES 160
#define PACKET_BYTES (12 + PAYLOAD_BYTES)
#define LATE_BUCKET_NS 10000
#define LATE_BUCKETS 100000

struct stream {
    struct stream *before, *after;
    int socket;
    long sent;
    long long due_ns;
    uint16_t sequence;
    uint32_t timestamp, ssrc;
};

static struct stream streams[MAX_STREAMS];
static struct stream *first, *last; /* streams that are not done, in the order that they are due */
static int stream_count;
static unsigned char *audio;
static size_t audio_frames;
static long packets_each;
static long long sent, refused, late_worst_ns;
static long late[LATE_BUCKETS];

static void stop(const char *what)
{
    fprintf(stderr, "rtpgen: %s\n", what);
    exit(2);
}

static long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void allow_descriptors(void)
{
    struct rlimit limit;
    if (!getrlimit(RLIMIT_NOFILE, &limit)) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void read_audio(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END))
        stop("cannot read the audio file");
    long size = ftell(file);
    audio_frames = (size_t)size / PAYLOAD_BYTES;
    audio = malloc((size_t)size + 1);
    rewind(file);
    if (!audio || audio_frames < 1 || fread(audio, 1, (size_t)size, file) != (size_t)size)
        stop("the audio file must hold at least 160 bytes");
    fclose(file);
}

/* The phases of consecutive streams differ by the golden section of 20 ms: even for any count. */
static long long phase_ns(int index)
{
    double turn = index * 0.6180339887498949;
    return (long long)((turn - (long long)turn) * (double)PERIOD_NS);
}

static struct sockaddr_in loopback_address(const char *host, long port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        stop("HOST must be an IPv4 address");
    if (ntohl(address.sin_addr.s_addr) >> 24 != 127)
        stop("HOST must be in 127.0.0.0/8: this program loads its own machine only");
    if (port < 1 || port > 65535)
        stop("PORT must be 1 to 65535");
    return address;
}

/* All periods are equal, so a stream that was due goes to the end or next to it. */
static void enqueue(struct stream *s)
{
    struct stream *place = last;
    while (place && place->due_ns > s->due_ns)
        place = place->before;
    s->before = place;
    s->after = place ? place->after : first;
    *(s->before ? &s->before->after : &first) = s;
    *(s->after ? &s->after->before : &last) = s;
}

static struct stream *dequeue(void)
{
    struct stream *s = first;
    first = s->after;
    *(first ? &first->before : &last) = NULL;
    return s;
}

static void add_stream(const char *line, long long now)
{
    char host[64];
    long port = 0, source = 0;
    int enabled = 1;
    if (sscanf(line, "%63s %ld %ld", host, &port, &source) < 2)
        stop("a line must be HOST PORT [SOURCE_PORT]");
    if (stream_count == MAX_STREAMS)
        stop("too many streams");
    if (source < 0 || source > 65535)
        stop("SOURCE_PORT must be 0 to 65535");
    struct sockaddr_in to = loopback_address(host, port), from = to;
    struct stream *s = &streams[stream_count];

    from.sin_port = htons((uint16_t)source);
    s->socket = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (s->socket < 0 || setsockopt(s->socket, SOL_SOCKET, SO_REUSEADDR, &enabled, sizeof enabled) ||
        bind(s->socket, (struct sockaddr *)&from, sizeof from) ||
        connect(s->socket, (struct sockaddr *)&to, sizeof to)) {
        fprintf(stderr, "rtpgen: %s: %s", strerror(errno), line);
        exit(1);
    }
    s->ssrc = 0x10000u + (uint32_t)stream_count * 2654435761u;
    s->sequence = (uint16_t)(s->ssrc >> 3);
    s->timestamp = s->ssrc * 31u;
    s->due_ns = now - now % PERIOD_NS + phase_ns(stream_count);
    s->due_ns += s->due_ns < now ? PERIOD_NS : 0;
    stream_count++;
    enqueue(s);
}

/* Takes the lines that have come; false once standard input is closed. */
static int read_lines(long long now)
{
    static char text[65536];
    static size_t used;
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll(&input, 1, 0) <= 0)
        return 1;
    ssize_t n = read(STDIN_FILENO, text + used, sizeof text - 1 - used);
    if (n <= 0)
        return 0;
    used += (size_t)n;
    text[used] = '\0';
    char *line = text, *end;
    while ((end = strchr(line, '\n'))) {
        *end = '\0';
        if (*line)
            add_stream(line, now);
        line = end + 1;
    }
    used -= (size_t)(line - text);
    memmove(text, line, used);
    if (used == sizeof text - 1)
        stop("a line is too long");
    return 1;
}

static void send_packet(struct stream *s, long long now)
{
    unsigned char packet[PACKET_BYTES] = {0x80, s->sent ? 0x00 : 0x80};
    uint16_t sequence = htons(s->sequence);
    uint32_t timestamp = htonl(s->timestamp), ssrc = htonl(s->ssrc);

    memcpy(packet + 2, &sequence, 2);
    memcpy(packet + 4, &timestamp, 4);
    memcpy(packet + 8, &ssrc, 4);
    memcpy(packet + 12, audio + (size_t)s->sent % audio_frames * PAYLOAD_BYTES, PAYLOAD_BYTES);
    if (send(s->socket, packet, sizeof packet, 0) == sizeof packet)
        sent++;
    else
        refused++;
    long long lateness = now - s->due_ns;
    if (lateness > late_worst_ns)
        late_worst_ns = lateness;
    late[lateness / LATE_BUCKET_NS < LATE_BUCKETS ? lateness / LATE_BUCKET_NS : LATE_BUCKETS - 1]++;
    s->sent++;
    s->sequence++;
    s->timestamp += PAYLOAD_BYTES;
    s->due_ns += PERIOD_NS;
}

/* Sends what is due; returns when the next packet is, or 0 when no stream is left. */
static long long sweep(void)
{
    for (;;) {
        long long now = now_ns();
        if (!first || first->due_ns > now)
            return first ? first->due_ns : 0;
        struct stream *s = dequeue();
        send_packet(s, now);
        if (s->sent < packets_each)
            enqueue(s);
        else
            close(s->socket);
    }
}

static double late_us(double share)
{
    long long seen = 0;
    for (int i = 0; i < LATE_BUCKETS; i++) {
        seen += late[i];
        if ((double)seen >= share * (double)(sent + refused))
            return (i + 1) * (LATE_BUCKET_NS / 1000.0);
    }
    return 0;
}

int main(int argc, char **argv)
{
    char *end = NULL;
    if (argc != 3)
        stop("usage: rtpgen AUDIO_FILE PACKETS_PER_STREAM");
    packets_each = strtol(argv[2], &end, 10);
    if (*end || packets_each < 1 || packets_each > MAX_PACKETS)
        stop("PACKETS_PER_STREAM is out of range");
    allow_descriptors();
    read_audio(argv[1]);
    prctl(PR_SET_TIMERSLACK, 1000UL);

    long long began = now_ns();
    for (int open = 1;;) {
        long long now = now_ns();
        if (now - began > MAX_RUN_NS)
            stop("two hours are over");
        if (open)
            open = read_lines(now);
        long long next = sweep();
        if (!next && !open)
            break;
        now = now_ns();
        long long wait = next ? next - now : LONGEST_SLEEP_NS;
        wait = wait < SHORTEST_SLEEP_NS ? SHORTEST_SLEEP_NS : wait;
        wait = wait > LONGEST_SLEEP_NS ? LONGEST_SLEEP_NS : wait;
        struct timespec until = {(now + wait) / NS_PER_S, (now + wait) % NS_PER_S};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }

    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("{\"streams\": %d, \"packets\": %lld, \"refused\": %lld, \"cpu_s\": %.4f, "
           "\"late_us_p50\": %.0f, \"late_us_p99\": %.0f, \"late_us_max\": %.0f}\n",
           stream_count, sent, refused, cpu, late_us(0.5), late_us(0.99), (double)late_worst_ns / 1e3);
    return 0;
}
