"""A person with an independent, encrypting Matrix client (matrix-nio), driven by JSON lines.

Usage: person.py HOMESERVER USER PASSWORD DIRECTORY

Reads  {"id": n, "do": "start"}
       {"id": n, "do": "send", "room": room, "type": type, "content": content}
       {"id": n, "do": "send", …, "withhold": true}: the keys stay here until
       {"id": n, "do": "share"}, or instead of them, the notice that they are not sent:
       {"id": n, "do": "refuse", "user": user, "code": code}
       {"id": n, "do": "know", "room": room, "user": user, "device": device or nothing}
       {"id": n, "do": "download", "file": file of an encrypted message}
Prints {"answer": {"id": n, "value": value}} or {"error": {"id": n, "text": text}}, and for every event of a joined room
       {"event": {"room": room, "event": {event_id, sender, type, content, decrypted}}}.
It ends with its input.
"""

import asyncio
import json
import sys
import uuid

import nio

LIMIT = 100  # events of a room in one sync: the most that the homeserver gives
KNOW_S = 45  # how long to wait for the keys of somebody


def put(kind, **fields):
    print(json.dumps({kind: fields}), flush=True)


class Person:
    def __init__(self, homeserver, user, password, directory):
        config = nio.AsyncClientConfig(encryption_enabled=True, store_sync_tokens=False)
        self.client = nio.AsyncClient(homeserver, user, store_path=directory, config=config)
        self.password = password
        self.unread = []  # events whose keys have not come yet
        self.rooms = set()
        self.withheld = []  # keys that the others have not got yet: room, session, content

    async def run(self):
        reader = asyncio.StreamReader(limit=2**20)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        syncing = None
        while line := await reader.readline():
            ask = json.loads(line)
            try:
                value = await getattr(self, "do_" + ask["do"])(ask)
                put("answer", id=ask["id"], value=value)
            except Exception as error:
                put("error", id=ask["id"], text=repr(error))
            if syncing is None:
                syncing = asyncio.create_task(self.sync())
            elif syncing.done():
                syncing.result()  # raises what ended it

    async def do_start(self, _):
        self.expect(await self.client.login(self.password, device_name="person"), nio.LoginResponse)
        self.client.add_event_callback(self.on_event, nio.Event)
        self.client.add_response_callback(self.on_sync, nio.SyncResponse)
        self.expect(await self.client.keys_upload(), nio.KeysUploadResponse)

    async def sync(self):
        limit = {"room": {"timeline": {"limit": LIMIT}}}
        await self.client.sync_forever(timeout=5000, sync_filter=limit, full_state=True)

    async def do_send(self, ask):
        if self.client.should_query_keys:
            await self.client.keys_query()
        if ask.get("withhold"):
            await self.withhold(ask["room"])
        sent = await self.client.room_send(ask["room"], ask["type"], ask["content"], ignore_unverified_devices=True)
        self.expect(sent, nio.RoomSendResponse)
        if ask.get("withhold"):
            self.client.invalidate_outbound_session(ask["room"])
        return sent.event_id

    async def withhold(self, room):
        """Makes the next message's keys, as they would be sent, and keeps them."""
        if missing := self.client.get_missing_sessions(room):
            await self.client.keys_claim(missing)
        users = list(self.client.rooms[room].users)
        self.client.invalidate_outbound_session(room)
        keys = self.client.olm.share_group_session_parallel(room, users, ignore_unverified_devices=True)
        keys = [content for _, content in keys]
        if not keys:
            raise RuntimeError("nobody would get the keys")
        session = self.client.olm.outbound_group_sessions[room]
        self.withheld += [(room, session.id, content) for content in keys]
        session.shared = True

    async def do_share(self, _):
        keys, self.withheld = self.withheld, []
        for _, _, content in keys:
            await self.to_device("m.room.encrypted", content)

    async def do_refuse(self, ask):
        keys, self.withheld = self.withheld, []
        for room, session, content in keys:
            notice = {
                "algorithm": "m.megolm.v1.aes-sha2",
                "room_id": room,
                "session_id": session,
                "sender_key": self.client.olm.account.identity_keys["curve25519"],
                "code": ask["code"],
                "reason": "not for you",
            }
            devices = content["messages"][ask["user"]]
            await self.to_device("m.room_key.withheld", {"messages": {ask["user"]: {it: notice for it in devices}}})

    async def to_device(self, kind, content):
        method, path, data = nio.Api.to_device(self.client.access_token, kind, content, uuid.uuid4())
        sent = await self.client._send(nio.ToDeviceResponse, method, path, data, response_data=(None,))
        self.expect(sent, nio.ToDeviceResponse)

    async def do_know(self, ask):
        async def known():
            while True:
                room = self.client.rooms.get(ask["room"])
                if room and ask["user"] in room.users:
                    devices = [device.id for device in self.client.device_store.active_user_devices(ask["user"])]
                    if not room.encrypted or devices and ask.get("device", devices[0]) in devices:
                        return
                await self.client.synced.wait()

        await asyncio.wait_for(known(), KNOW_S)

    async def do_download(self, ask):
        file = ask["file"]
        got = await self.client.download(mxc=file["url"])
        self.expect(got, nio.MemoryDownloadResponse)
        key, digest, iv = file["key"]["k"], file["hashes"]["sha256"], file["iv"]
        return nio.crypto.decrypt_attachment(got.body, key, digest, iv).decode()

    async def on_event(self, room, event):
        if isinstance(event, nio.MegolmEvent):
            self.unread.append((room, event))
        self.show(room, event)

    async def on_sync(self, response):
        for room, news in response.rooms.join.items():
            if news.timeline.limited and room in self.rooms:
                sys.exit(f"more than {LIMIT} events in one sync of {room}: this client would miss some")
            self.rooms.add(room)
        unread, self.unread = self.unread, []
        for room, event in unread:
            try:
                self.show(room, self.client.decrypt_event(event))
            except nio.EncryptionError:
                self.unread.append((room, event))

    def show(self, room, event):
        source = event.source
        fields = {key: source.get(key) for key in ("event_id", "sender", "type", "content")}
        put("event", room=room.room_id, event=fields | {"decrypted": bool(getattr(event, "decrypted", False))})

    @staticmethod
    def expect(response, kind):
        if not isinstance(response, kind):
            raise RuntimeError(str(response))


asyncio.run(Person(*sys.argv[1:]).run())
