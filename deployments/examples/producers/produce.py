"""Writes three events of one lead: produce.py BROKERS REGISTRY TOPIC SEGMENT (pip install confluent-kafka fastavro)"""
import io
import json
import pathlib
import struct
import sys
import time
import urllib.request

from confluent_kafka import Producer
from fastavro import parse_schema, schemaless_writer

brokers, registry, topic, segment = sys.argv[1:]
text = (pathlib.Path(__file__).parent / "lead.avsc").read_text()
schema = parse_schema(json.loads(text))
request = urllib.request.Request(f"{registry}/subjects/{topic}-value/versions", json.dumps({"schema": text}).encode(),
                                 {"Content-Type": "application/vnd.schemaregistry.v1+json"})
schema_id = json.load(urllib.request.urlopen(request))["id"]
# murmur2 is how Java's clients choose a partition: a profile's events stay in one, whoever writes them.
producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True, "partitioner": "murmur2_random"})
for status, score, changed in [("realized", 71, {"segments": [segment]}), ("realized", 84, {"attributes": ["score"]}), ("exited", 84, {"segments": [segment]})]:
    event = {
        "profileId": "py-lead-1", "changed": changed,
        "attributes": {"contact": {"email": "ada@example.com", "company": {"name": "Northwind"}}, "score": score},
        "segmentMembership": {"ups": {segment: {"status": status, "lastQualificationTime": int(time.time() * 1000)}}},
        "identityMap": {"crm": [{"id": "4711"}]}}
    value = io.BytesIO()
    value.write(struct.pack(">bI", 0, schema_id))  # Confluent's framing: 0, the schema's id in four bytes
    schemaless_writer(value, schema, event)
    producer.produce(topic, key=event["profileId"], value=value.getvalue(), on_delivery=lambda err, _: err and sys.exit(str(err)))
producer.flush()
