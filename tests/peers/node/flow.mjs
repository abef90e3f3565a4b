// A call recorded through Telnyx's SDK for Node. Only TELNYX_BASE_URL, TELNYX_API_KEY and TELNYX_PUBLIC_KEY
// say whom it talks to. BOB is the SIP URI of the second party, FILE where to keep the recording. What happens
// is told on the standard output, one JSON object a line: first {"dial": user}, last {"done": facts}.

import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import Telnyx from 'telnyx';

const client = new Telnyx({ maxRetries: 0 });
const events = [];
const waiting = [];
const tell = (fact) => console.log(JSON.stringify(fact));

const receiver = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const event = await client.webhooks.unwrap(Buffer.concat(chunks).toString(), { headers: request.headers });
  response.end();
  events.push(event.data);
  for (const look of waiting.splice(0)) look();
});

async function event(type, fits = () => true) {
  for (;;) {
    const found = events.find((one) => one.event_type === type && fits(one.payload));
    if (found) return found.payload;
    await new Promise((look) => waiting.push(look));
  }
}

async function refused(work) {
  try {
    await work;
  } catch (error) {
    return { class: error.constructor.name, status: error.status, code: error.error?.errors?.[0]?.code };
  }
  throw new Error('was not refused');
}

async function all(pages) {
  const items = [];
  for await (const item of pages) items.push(item);
  return items;
}

receiver.listen(0, '127.0.0.1');
await once(receiver, 'listening');
const { port } = receiver.address();
const fields = { application_name: `node ${port}`, webhook_event_url: `http://127.0.0.1:${port}/hook` };
const made = (await client.callControlApplications.create(fields)).data;
const application = (await client.callControlApplications.update(made.id, { ...fields, webhook_timeout_secs: 5 })).data;
const user = `node-${port}`;
await client.phoneNumbers.update(user, { connection_id: application.id });
tell({ dial: user });

const { call_control_id: ann } = await event('call.initiated', (p) => p.direction === 'incoming');
await client.calls.actions.answer(ann);
await event('call.answered', (p) => p.call_control_id === ann);
const dialled = (
  await client.calls.dial({ connection_id: application.id, from: '+15550100', to: process.env.BOB, link_to: ann })
).data;
const bob = dialled.call_control_id;
await event('call.answered', (p) => p.call_control_id === bob);
await client.calls.actions.bridge(ann, { call_control_id_to_bridge_with: bob });
await event('call.bridged', (p) => p.call_control_id === bob);
const alive = (await client.calls.retrieveStatus(ann)).data.is_alive;
await client.calls.actions.startRecording(ann, { format: 'wav', channels: 'dual', client_state: 'bm9kZQ==' });
const withoutChannels = await refused(client.calls.actions.startRecording(ann, { format: 'wav' }));
tell({ talk: true });

await once(process.stdin, 'data');
await client.calls.actions.stopRecording(ann);
const saved = await event('call.recording.saved');
await client.calls.actions.hangup(ann);
await event('call.hangup', (p) => p.call_control_id === ann);
await event('call.hangup', (p) => p.call_control_id === bob);
await writeFile(process.env.FILE, Buffer.from(await (await fetch(saved.recording_urls.wav)).arrayBuffer()));

const filter = { connection_id: application.id };
const listed = await all(client.recordings.list({ filter, page_size: 1 }));
const recording = (await client.recordings.retrieve(listed[0].id)).data;
await client.recordings.actions.delete({ ids: [recording.id] });
const left = await all(client.recordings.list({ filter }));
const gone = await refused(client.recordings.retrieve(recording.id));
const again = await refused(client.calls.actions.hangup(ann));
const stranger = await refused(new Telnyx({ apiKey: 'KEYwrong', maxRetries: 0 }).recordings.list());
const forged = await refused(client.webhooks.unwrap('{}', { headers: { 'telnyx-timestamp': '1' } }));
await client.callControlApplications.delete(application.id);
receiver.close();
process.stdin.destroy();
tell({
  done: {
    alive, withoutChannels, gone, again, stranger, forged,
    client_state: saved.client_state,
    webhook_timeout_secs: application.webhook_timeout_secs,
    recordings: listed.map((one) => one.id),
    saved: saved.recording_id,
    status: recording.status,
    left: left.length,
    events: events.map((one) => one.event_type),
  },
});
