import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider;
import software.amazon.awssdk.http.Protocol;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.common.StreamIdentifier;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.retrieval.KinesisClientRecord;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/**
 * Reads a stream with the Kinesis Client Library until standard input ends: one JSON line a user record, and one
 * when a shard begins and when it has been read to its end. KINESIS_ENDPOINT is the stream's, MOTO_ENDPOINT that
 * of the library's leases and metrics.
 */
public class Read {
  public static void main(String[] args) throws Exception {
    String stream = args[0];
    URI kinesisAt = URI.create(System.getenv("KINESIS_ENDPOINT"));
    URI leasesAt = URI.create(System.getenv("MOTO_ENDPOINT"));
    Region region = Region.of(System.getenv("AWS_REGION"));
    var credentials = EnvironmentVariableCredentialsProvider.create();
    // Emulators speak HTTP/1.1 without TLS.
    var http = NettyNioAsyncHttpClient.builder().protocol(Protocol.HTTP1_1);
    var kinesis = KinesisAsyncClient.builder().endpointOverride(kinesisAt).region(region)
        .credentialsProvider(credentials).httpClientBuilder(http).build();
    var leases = DynamoDbAsyncClient.builder().endpointOverride(leasesAt).region(region)
        .credentialsProvider(credentials).httpClientBuilder(http).build();
    var metrics = CloudWatchAsyncClient.builder().endpointOverride(leasesAt).region(region)
        .credentialsProvider(credentials).httpClientBuilder(http).build();

    var tracker = new SingleStreamTracker(StreamIdentifier.singleStreamInstance(stream),
        InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON));
    var config = new ConfigsBuilder(tracker, stream, kinesis, leases, metrics, "reader", Processor::new);
    var lease = config.leaseManagementConfig().failoverTimeMillis(2000).shardSyncIntervalMillis(1000)
        .leasesRecoveryAuditorExecutionFrequencyMillis(1000);
    lease.workerUtilizationAwareAssignmentConfig().disableWorkerMetrics(true);
    var polling = new PollingConfig(stream, kinesis);
    polling.idleTimeBetweenReadsInMillis(200);
    var scheduler = new Scheduler(config.checkpointConfig(),
        config.coordinatorConfig().parentShardPollIntervalMillis(500).shardConsumerDispatchPollIntervalMillis(100),
        lease, config.lifecycleConfig(), config.metricsConfig(), config.processorConfig(),
        config.retrievalConfig().retrievalSpecificConfig(polling));
    new Thread(scheduler, "scheduler").start();
    while (System.in.read() >= 0) {
    }
    scheduler.startGracefulShutdown().get(20, TimeUnit.SECONDS);
    System.exit(0);
  }

  static synchronized void print(String line) {
    System.out.println(line);
    System.out.flush();
  }

  static String quoted(String text) {
    var out = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      out.append(c >= ' ' && c < 127 && c != '"' && c != '\\' ? String.valueOf(c) : String.format("\\u%04x", (int) c));
    }
    return out.append('"').toString();
  }

  static class Processor implements ShardRecordProcessor {
    private String shard;

    @Override
    public void initialize(InitializationInput input) {
      shard = input.shardId();
      print("{\"shard\":" + quoted(shard) + ",\"state\":\"begun\"}");
    }

    @Override
    public void processRecords(ProcessRecordsInput input) {
      for (KinesisClientRecord r : input.records()) {
        print("{\"shard\":" + quoted(shard) + ",\"partitionKey\":" + quoted(r.partitionKey())
            + ",\"sequenceNumber\":" + quoted(r.sequenceNumber()) + ",\"subSequenceNumber\":" + r.subSequenceNumber()
            + ",\"data\":" + quoted(StandardCharsets.UTF_8.decode(r.data()).toString()) + "}");
      }
    }

    @Override
    public void leaseLost(LeaseLostInput input) {
      print("{\"shard\":" + quoted(shard) + ",\"state\":\"lost\"}");
    }

    @Override
    public void shardEnded(ShardEndedInput input) {
      try {
        input.checkpointer().checkpoint();
      } catch (Exception problem) {
        throw new IllegalStateException("checkpoint the end of " + shard, problem);
      }
      print("{\"shard\":" + quoted(shard) + ",\"state\":\"ended\"}");
    }

    @Override
    public void shutdownRequested(ShutdownRequestedInput input) {}
  }
}
