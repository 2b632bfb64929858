#!/usr/bin/env bash
# The platform's tutorial for streaming destinations, call by call, against `kinesis-destination serve`.
# Needs curl. Set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, REGION and STREAM; SERVE_URL and TOKEN where they are not the defaults.
set -euo pipefail

base=${SERVE_URL:-http://127.0.0.1:8090}/data/foundation/flowservice
region=${REGION:-us-east-1}
stream=${STREAM:?set STREAM to an existing stream}
segment=${SEGMENT_ID:-72ddd79b-6b0a-4e97-a8d2-112ccd81bd02}
attribute=${ATTRIBUTE:-personalEmail.address}

# call METHOD PATH [BODY [HEADER]]: the answer; what is refused ends the script with its words.
call() {
  local answer args=(--silent --show-error --fail-with-body --request "$1" --header 'Content-Type: application/json' --header 'x-sandbox-name: prod')
  [[ -z ${TOKEN:-} ]] || args+=(--header "Authorization: Bearer $TOKEN")
  [[ -z ${4:-} ]] || args+=(--header "$4")
  # The body goes by standard input: credentials do not belong into a process list.
  if [[ -n ${3:-} ]]; then
    answer=$(curl "${args[@]}" --data-binary @- "$base$2" <<<"$3")
  else
    answer=$(curl "${args[@]}" "$base$2")
  fi || { printf 'refused: %s %s\n%s\n' "$1" "$2" "$answer" >&2; exit 1; }
  printf '%s\n' "$answer"
}
field() { sed -E "s/.*\"$1\":\"((\\\\\"|[^\"])*)\".*/\1/; s/\\\\\"//g"; }

echo "1. the destinations that there are"
call GET /connectionSpecs | grep -o '"name":"Amazon Kinesis"' | head -n 1

echo "2. authorize access to the data"
source_base=$(call POST /connections '{
  "name": "Base connection to Experience Platform",
  "description": "This call establishes the connection to Experience Platform data",
  "connectionSpec": {"id": "8a9c3494-9708-43d7-ae3f-cda01e5030e1", "version": "1.0"}}' | field id)

echo "3. connect to the data"
source=$(call POST /sourceConnections '{
  "name": "Connecting to Profile Service", "description": "Optional",
  "connectionSpec": {"id": "8a9c3494-9708-43d7-ae3f-cda01e5030e1", "version": "1.0"},
  "baseConnectionId": "'"$source_base"'", "data": {"format": "json"}, "params": {}}' | field id)

echo "4. authorize access to the stream; the account is tested"
account=$(call POST /connections '{
  "name": "Connection for Amazon Kinesis", "description": "summer advertising campaign",
  "connectionSpec": {"id": "86043421-563b-46ec-8e6c-e23184711bf6", "version": "1.0"},
  "auth": {"specName": "Aws Kinesis authentication credentials", "params": {
    "accessKeyId": "'"${AWS_ACCESS_KEY_ID:?}"'", "secretKey": "'"${AWS_SECRET_ACCESS_KEY:?}"'", "region": "'"$region"'"}}}' | field id)

echo "5. name the stream; it is tested"
target=$(call POST /targetConnections '{
  "name": "Amazon Kinesis target connection", "description": "Connection to Amazon Kinesis",
  "baseConnectionId": "'"$account"'",
  "connectionSpec": {"id": "86043421-563b-46ec-8e6c-e23184711bf6", "version": "1.0"},
  "data": {"format": "json"}, "params": {"stream": "'"$stream"'", "region": "'"$region"'"}}' | field id)

echo "6. create the dataflow"
made=$(call POST /flows '{
  "name": "Amazon Kinesis", "description": "Amazon Kinesis",
  "flowSpec": {"id": "71471eba-b620-49e4-90fd-23f1fa0174d8", "version": "1.0"},
  "sourceConnectionIds": ["'"$source"'"], "targetConnectionIds": ["'"$target"'"],
  "transformations": [{"name": "GeneralTransform", "params": {"profileSelectors": {"selectors": []}, "segmentSelectors": {"selectors": []}}}]}')
flow=$(field id <<<"$made")
etag=$(field etag <<<"$made")

echo "7. activate a segment and map an attribute"
call PATCH "/flows/$flow" '[
  {"op": "add", "path": "/transformations/0/params/segmentSelectors/selectors/-",
   "value": {"type": "PLATFORM_SEGMENT", "value": {"id": "'"$segment"'"}}},
  {"op": "add", "path": "/transformations/0/params/profileSelectors/selectors/-",
   "value": {"type": "JSON_PATH", "value": {"path": "'"$attribute"'", "operator": "EXISTS"}}}]' "If-Match: \"$etag\"" >/dev/null

echo "8. look at the dataflow"
call GET "/flows/$flow"
