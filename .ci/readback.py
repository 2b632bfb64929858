#!/usr/bin/env python3
"""Reads a whole Kinesis stream with an AWS client that shares nothing with ours.

readback.py [--user-records] STREAM
    one JSON line a record: {shard, sequenceNumber, partitionKey, data}, data in base64;
    parents come before the shards that followed them, each shard in its own order.
    With --user-records aggregates are taken apart by aws-kinesis-agg.
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


def line(shard, record):
    return {
        "shard": shard,
        "sequenceNumber": record["SequenceNumber"],
        "partitionKey": record["PartitionKey"],
        "data": base64.b64encode(record["Data"]).decode(),
    }


def user_records(record):
    """The lines of what a record, taken apart, is made of."""
    from aws_kinesis_agg.deaggregator import iter_deaggregate_records  # noqa: PLC0415 - not needed otherwise

    wrapped = dict(record, kinesisSchemaVersion="1.0", approximateArrivalTimestamp=0)
    for part in iter_deaggregate_records([{"kinesis": wrapped}]):
        data = part["kinesis"]["data"]
        yield dict(
            record,
            partitionKey=part["kinesis"]["partitionKey"],
            data=data.decode() if isinstance(data, bytes) else data,
        )


def main():
    arguments = sys.argv[1:]
    apart = arguments[:1] == ["--user-records"]
    if len(arguments) != 1 + apart or "KINESIS_ENDPOINT" not in os.environ:
        print("usage: KINESIS_ENDPOINT=http://HOST:PORT readback.py [--user-records] STREAM", file=sys.stderr)
        return 2
    stream = arguments[-1]
    try:
        kinesis = client()
        for shard in shards(kinesis, stream):
            for record in records(kinesis, stream, shard):
                whole = line(shard, record)
                for part in user_records(whole) if apart else [whole]:
                    print(json.dumps(part))
    except (BotoCoreError, ClientError) as problem:
        print(f"read {stream} back: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
