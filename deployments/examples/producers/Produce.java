// Writes three events of one lead: java -cp 'kafka-clients, avro and what they need' Produce.java BROKERS REGISTRY TOPIC SEGMENT lead.avsc
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.*;
import java.nio.ByteBuffer;
import java.nio.file.*;
import java.util.*;
import org.apache.avro.Schema;
import org.apache.avro.generic.*;
import org.apache.avro.io.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.*;

class Produce {
  public static void main(String[] args) throws Exception {
    String brokers = args[0], registry = args[1], topic = args[2], segment = args[3], text = Files.readString(Path.of(args[4]));
    var post = HttpRequest.newBuilder(URI.create(registry + "/subjects/" + topic + "-value/versions")).header("Content-Type", "application/vnd.schemaregistry.v1+json")
        .POST(HttpRequest.BodyPublishers.ofString(new ObjectMapper().writeValueAsString(Map.of("schema", text)))).build();
    var id = new ObjectMapper().readTree(HttpClient.newHttpClient().send(post, HttpResponse.BodyHandlers.ofString()).body()).get("id").asInt();
    var schema = new Schema.Parser().parse(text);
    Map<String, Object> config = Map.of("bootstrap.servers", brokers);
    try (var producer = new KafkaProducer<>(config, new StringSerializer(), new ByteArraySerializer())) {
      for (var step : List.of("realized,71,segments," + segment, "realized,84,attributes,score", "exited,84,segments," + segment)) {
        var s = step.split(",");
        var changed = "{\"com.example.crm.Change\": {\"segments\": [%s], \"attributes\": [%s], \"identities\": false}}"
            .formatted(s[2].equals("segments") ? "\"" + s[3] + "\"" : "", s[2].equals("attributes") ? "\"" + s[3] + "\"" : "");
        var event = """
            {"profileId": "java-lead-1", "changed": %s,
             "attributes": {"contact": {"email": {"string": "grace@example.com"}, "company": null}, "score": %s},
             "segmentMembership": {"ups": {"%s": {"status": "%s", "lastQualificationTime": %d}}},
             "identityMap": {"crm": [{"id": "4712"}]}}""".formatted(changed, s[1], segment, s[0], System.currentTimeMillis());
        var record = new GenericDatumReader<GenericRecord>(schema).read(null, DecoderFactory.get().jsonDecoder(schema, event));
        var value = new ByteArrayOutputStream();
        value.write(ByteBuffer.allocate(5).put((byte) 0).putInt(id).array()); // Confluent's framing: 0, the schema's id in four bytes
        var encoder = EncoderFactory.get().directBinaryEncoder(value, null);
        new GenericDatumWriter<GenericRecord>(schema).write(record, encoder);
        producer.send(new ProducerRecord<>(topic, "java-lead-1", value.toByteArray())).get();
      }
    }
  }
}
