#!/usr/bin/env python3
"""Reads a whole Kinesis stream with an AWS client that shares nothing with ours.

readback.py STREAM   one JSON line a record: {shard, sequenceNumber, partitionKey, data}, data in base64;
                     parents come before the shards that followed them, each shard in its own order.
Address and region come from KINESIS_ENDPOINT and AWS_REGION.
"""

import base64
import json
import os
import pathlib
import sys

sys.path[:0] = sorted(str(p) for p in (pathlib.Path(__file__).resolve().parents[1] / ".cache/servers").glob("python-*[0-9]"))

import boto3  # noqa: E402 - found by the line above
from botocore.exceptions import BotoCoreError, ClientError  # noqa: E402


def client():
    return boto3.client(
        "kinesis",
        endpoint_url=os.environ["KINESIS_ENDPOINT"],
        region_name=os.environ.get("AWS_REGION", "us-east-1"),
        aws_access_key_id=os.environ.get("AWS_ACCESS_KEY_ID", "contract"),
        aws_secret_access_key=os.environ.get("AWS_SECRET_ACCESS_KEY", "contract"),
    )


def shards(kinesis, stream):
    """The stream's shards, each after its parents."""
    found, request = {}, {"StreamName": stream}
    while True:
        page = kinesis.list_shards(**request)
        found.update((shard["ShardId"], shard) for shard in page["Shards"])
        if not page.get("NextToken"):
            break
        request = {"NextToken": page["NextToken"]}
    ordered = {}

    def place(name):
        if name not in found or name in ordered:
            return
        place(found[name].get("ParentShardId"))
        place(found[name].get("AdjacentParentShardId"))
        ordered[name] = True

    for name in sorted(found):
        place(name)
    return list(ordered)


def records(kinesis, stream, shard):
    """The shard's records from its oldest to what was newest when it was reached."""
    iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    while iterator:
        page = kinesis.get_records(ShardIterator=iterator)
        yield from page["Records"]
        # A page may be empty before the end; only the distance tells.
        if not page["Records"] and not page.get("MillisBehindLatest"):
            return
        iterator = page.get("NextShardIterator")


def main():
    if len(sys.argv) != 2 or "KINESIS_ENDPOINT" not in os.environ:
        print("usage: KINESIS_ENDPOINT=http://HOST:PORT readback.py STREAM", file=sys.stderr)
        return 2
    stream = sys.argv[1]
    try:
        kinesis = client()
        for shard in shards(kinesis, stream):
            for record in records(kinesis, stream, shard):
                line = {
                    "shard": shard,
                    "sequenceNumber": record["SequenceNumber"],
                    "partitionKey": record["PartitionKey"],
                    "data": base64.b64encode(record["Data"]).decode(),
                }
                print(json.dumps(line))
    except (BotoCoreError, ClientError) as problem:
        print(f"read {stream} back: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
