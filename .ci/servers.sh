# Starts and stops the real servers of the contract run; sourced by .ci/contract.
# Every server gets ports and a data folder of its own, and only the processes started here are ended.
# shellcheck shell=bash disable=SC2034

pids=()
# What was started, by the number of its process.
declare -A started=()
# The heap stands first: who needs another one leaves it out. Without memory a server ends and says so, in place of going on without a thread.
small_jvm=(-Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError)

# find_java MAJOR prints the first java of at least that version: JAVA_HOME, PATH, then the installed JDKs.
find_java() {
  local java major
  for java in "${JAVA_HOME:-}/bin/java" "$(command -v java || true)" /usr/lib/jvm/*/bin/java; do
    [ -x "$java" ] || continue
    major=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
    if [ "${major:-0}" -ge "$1" ]; then
      echo "$java"
      return
    fi
  done
  return 1
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# pick_ports COUNT sets first_port to the first of COUNT free neighbours, below the range of outgoing connections.
pick_ports() {
  local try offset
  for ((try = 0; try < 100; try++)); do
    first_port=$((20000 + RANDOM % 1200 * 10))
    for ((offset = 0; offset < $1; offset++)); do
      listening $((first_port + offset)) && continue 2
    done
    return 0
  done
  echo "contract: no free ports on loopback" >&2
  return 1
}

# await NAME PID COMMAND… asks until the command succeeds, the process is gone, or 90 s are over.
await() {
  local name=$1 pid=$2 begin=$SECONDS
  started[$pid]=$name
  shift 2
  until "$@"; do
    if ! kill -0 "$pid" 2>/dev/null || [ $((SECONDS - begin)) -ge 90 ]; then
      echo "contract: $name did not become ready" >&2
      return 1
    fi
    sleep 0.2
  done
  echo "$name ready after $((SECONDS - begin)) s"
}

# start_kafka JAVA JARS PORT CONTROLLER_PORT DATA SECURE_PORT runs one node that is broker and controller. From SECURE_PORT
# on, four listeners have TLS, TLS with client certificates, SASL, and both; DATA/certificates holds the certificates.
start_kafka() {
  mkdir -p "$5/certificates"
  go run .ci/certificates.go "$5/certificates"
  # The later of two lines with the same key counts.
  sed -e "s|@PORT@|$3|g" -e "s|@CONTROLLER@|$4|g" -e "s|@DATA@|$5/log|g" -e "s|@CERTIFICATES@|$5/certificates|g" \
    -e "s|@TLS@|$6|g" -e "s|@MTLS@|$(($6 + 1))|g" -e "s|@SASL@|$(($6 + 2))|g" -e "s|@SASLTLS@|$(($6 + 3))|g" \
    .ci/kafka.properties .ci/kafka.security.properties >"$5/server.properties"
  local format=(--add-scram 'SCRAM-SHA-256=[name=scram,password=scram-secret]' --add-scram 'SCRAM-SHA-512=[name=scram,password=scram-secret]')
  # The suites leave some 5,000 partitions behind, of 40 KB of heap each.
  start_script "$5" "$run/kafka.log" "$1" -Xmx1g "${small_jvm[@]:1}" -cp "$2/*"
  : >"$run/kafka.log"
  "$5/start" &
  await kafka $! grep -q 'Kafka Server started' "$run/kafka.log"
}

# prepare_cluster JAVA JARS PORT DATA makes the folders DATA/1 to DATA/3 of three nodes, each broker and controller, for the
# stories that start them. From PORT on there are three ports of brokers, three of controllers, and three of brokers by name.
prepare_cluster() {
  local node folder format=() voters="1@127.0.0.1:$(($3 + 3)),2@127.0.0.1:$(($3 + 4)),3@127.0.0.1:$(($3 + 5))"
  for node in 1 2 3; do
    folder=$4/$node
    mkdir -p "$folder"
    sed -e "s|@NODE@|$node|g" -e "s|@VOTERS@|$voters|g" -e "s|@PORT@|$(($3 + node - 1))|g" -e "s|@CONTROLLER@|$(($3 + node + 2))|g" \
      -e "s|@NAMED@|$(($3 + node + 5))|g" -e "s|@DATA@|$folder/log|g" .ci/kafka.properties .ci/kafka.cluster.properties >"$folder/server.properties"
    start_script "$folder" "$run/kafka-$node.log" "$1" -Xmx256m "${small_jvm[@]:1}" -cp "$2/*"
  done
}

# start_script FOLDER LOG JAVA… writes FOLDER/start, which formats the node's data at its first start, becomes the node, and
# leaves its process's number in FOLDER/pid: stories end a node and start it again. format holds what to format with besides.
start_script() {
  local folder=$1 log=$2 java=("${@:3}" -Dorg.slf4j.simpleLogger.showDateTime=true)
  cat >"$folder/start" <<END
#!/usr/bin/env bash
echo \$\$ >${folder@Q}/pid
exec >>${log@Q} 2>&1
[ -f ${folder@Q}/log/meta.properties ] ||
  ${java[*]@Q} kafka.tools.StorageTool format -t kinesis-destination-ci -c ${folder@Q}/server.properties ${format[*]@Q}
exec ${java[*]@Q} kafka.Kafka ${folder@Q}/server.properties
END
  chmod +x "$folder/start"
}

# start_kinesis FOLDER PORT TLS_PORT: the mock finds its certificate in its working folder only.
start_kinesis() {
  (cd "$1" && KINESIS_MOCK_PLAIN_PORT=$2 KINESIS_MOCK_TLS_PORT=$3 AWS_REGION=$AWS_REGION \
    SHARD_LIMIT=1000 ON_DEMAND_STREAM_COUNT_LIMIT=100 CREATE_STREAM_DURATION=50ms DELETE_STREAM_DURATION=50ms \
    exec node main.js) >"$run/kinesis.log" 2>&1 &
  pids+=($!)
  await kinesis-mock $! listening "$2"
}

# start_moto PACKAGES PORT serves the DynamoDB and CloudWatch that the Kinesis Client Library keeps its leases and metrics in.
start_moto() {
  PYTHONPATH=$1 PYTHONDONTWRITEBYTECODE=1 python3 -m moto.server -H 127.0.0.1 -p "$2" >"$run/moto.log" 2>&1 &
  pids+=($!)
  await moto $! listening "$2"
}

# start_registry JAVA FOLDER PORT MANAGEMENT_PORT keeps its schemas in memory.
start_registry() {
  (cd "$2" && exec "$1" "${small_jvm[@]}" -Dquarkus.http.host=127.0.0.1 "-Dquarkus.http.port=$3" \
    -Dquarkus.management.host=127.0.0.1 "-Dquarkus.management.port=$4" -jar quarkus-run.jar) >"$run/registry.log" 2>&1 &
  pids+=($!)
  await registry $! registry_answers "$3"
}

registry_answers() {
  local status
  exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
  printf 'GET /apis/ccompat/v7/subjects HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' >&3
  IFS= read -r -t 5 status <&3 || status=
  exec 3>&-
  [[ $status == *" 200 "* ]]
} 2>/dev/null

# tell_ended names what was started and has ended by itself.
tell_ended() {
  local pid now
  for pid in "${!started[@]}"; do
    now=$pid
    # Stories may have started Kafka again.
    [ "${started[$pid]}" != kafka ] || now=$(cat "$run/kafka/pid" 2>/dev/null || echo "$pid")
    kill -0 "$now" 2>/dev/null || echo "contract: ${started[$pid]} ended before the suites did" >&2
  done
}

# stop_servers ends what was started here: asked first, after 15 s by force.
stop_servers() {
  local pid file begin=$SECONDS
  for file in "$run"/kafka/pid "$run"/cluster/*/pid; do
    [ ! -f "$file" ] || pids+=("$(<"$file")")
  done
  [ ${#pids[@]} -gt 0 ] || return 0
  kill "${pids[@]}" 2>/dev/null || true
  for pid in "${pids[@]}"; do
    while kill -0 "$pid" 2>/dev/null && [ $((SECONDS - begin)) -lt 15 ]; do sleep 0.1; done
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  pids=()
}
