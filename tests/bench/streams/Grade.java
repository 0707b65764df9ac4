/*
 * Grade - what classifier.vs_streams is compared with: the park's three rules as a Kafka Streams program, as one would write it.
 *
 *     java Grade BROKERS FROM TO WORDS_JSON APPLICATION STATE_DIR THREADS        runs until a signal ends it
 *
 * Each record's JSON is parsed (Jackson), the lower-cased summary is searched for the words of WORDS_JSON (the lists of the policy that the
 * classifier runs with beside it), and a decision goes out under the same key: about the fields and the size of incident.classified, under an id
 * derived from the record's. At least once; offsets every 100 ms; linger and batches as librdkafka has them beside it (with Streams' own 16 KB
 * it makes less than half). A record that is no report goes to nowhere. No checks of fields, facts, figures, policy reload, dead letters.
 */
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;

public final class Grade {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String[] COPIED = {"enterprise_id", "incident_id", "occurred_at", "drill", "reference", "summary", "discovered_at",
                                            "profile"};

    /** A rule fires when the text has a word of each of its two lists. */
    private record Rule(String id, String category, String level, String zh, String en, String article, String what, List<String> whatWords,
                        String harm, List<String> harmWords) {
    }

    private static List<Rule> rules;

    private static List<String> words(JsonNode lists, String name) {
        List<String> ret = new ArrayList<>();
        lists.get(name).forEach(word -> ret.add(word.textValue()));
        return ret;
    }

    private static Rule rule(JsonNode lists, String id, String category, String level, String zh, String en, String article, String what,
                             String harm) {
        return new Rule(id, category, level, zh, en, article, what, words(lists, what), harm, words(lists, harm));
    }

    private static void load(String path) throws IOException {
        JsonNode lists = JSON.readTree(new File(path)).get("lists");

        rules = List.of(
            rule(lists, "park.customer-data-leaked", "data_leak", "major", "客户资料泄露", "customer data leaked", "三级规则 重大",
                 "customer_data", "leaked"),
            rule(lists, "park.core-database", "system_failure", "larger", "核心数据库异常", "a core database is abnormal", "三级规则 较大",
                 "core_database", "abnormal"),
            rule(lists, "park.one-workstation", "malware", "general", "单台电脑感染", "a single workstation is infected", "三级规则 一般",
                 "one_workstation", "infected"));
    }

    private static String find(String text, List<String> words) {
        for (String word : words)
            if (text.contains(word))
                return word;
        return null;
    }

    private static void addField(ArrayNode fields, String list, String word) {
        fields.addObject().put("pointer", "/words/" + list).put("value", word);
    }

    private static void decide(ObjectNode out, String summary) {
        String text = summary.toLowerCase();
        ArrayNode reasons = out.putArray("reasons");

        out.put("category", "intrusion").put("level", "general").put("needs_human", true);
        for (Rule rule : rules) {
            String what = find(text, rule.whatWords()), harm = what == null ? null : find(text, rule.harmWords());
            ObjectNode reason;
            ArrayNode fields;

            if (harm == null)
                continue;
            if (reasons.isEmpty()) // the rules stand in order of their levels
                out.put("category", rule.category()).put("level", rule.level()).put("needs_human", false);
            reason = reasons.addObject();
            reason.put("rule", rule.id()).put("regime", "park-lingang").put("level", rule.level()).put("zh", rule.zh()).put("en", rule.en());
            fields = reason.putArray("fields");
            addField(fields, rule.what(), what);
            addField(fields, rule.harm(), harm);
            reason.putObject("source").put("document", "临港园区网络安全事件分级要求").put("article", rule.article());
        }
    }

    private static final class Grader extends ContextualFixedKeyProcessor<byte[], byte[], byte[]> {
        @Override
        public void process(FixedKeyRecord<byte[], byte[]> in) {
            ObjectNode out = JSON.createObjectNode();
            Headers headers = in.headers();
            String parent = new String(headers.lastHeader("ce_id").value(), StandardCharsets.UTF_8);

            try {
                JsonNode report = JSON.readTree(in.value());

                for (String name : COPIED)
                    out.set(name, report.get(name));
                out.put("revision", 0).put("parent_event_id", parent).put("decided_by", "system").put("policy_version", "1");
                decide(out, report.get("summary").textValue());
                set(headers, "ce_id", UUID.nameUUIDFromBytes((parent + "classified").getBytes(StandardCharsets.UTF_8)).toString());
                set(headers, "ce_type", "incident.classified");
                set(headers, "ce_source", "/tongbao/classifier");
                set(headers, "ce_time", Instant.now().toString());
                context().forward(in.withValue(JSON.writeValueAsBytes(out)));
            } catch (IOException notJson) {
                System.err.println(notJson.getMessage());
            }
        }

        private static void set(Headers headers, String name, String value) {
            headers.remove(name).add(name, value.getBytes(StandardCharsets.UTF_8));
        }
    }

    public static void main(String[] args) throws Exception {
        Properties conf = new Properties();
        StreamsBuilder builder = new StreamsBuilder();
        CountDownLatch stopped = new CountDownLatch(1);
        KafkaStreams streams;

        load(args[3]);
        conf.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        conf.put(StreamsConfig.APPLICATION_ID_CONFIG, args[4]);
        conf.put(StreamsConfig.STATE_DIR_CONFIG, args[5]);
        conf.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, Integer.parseInt(args[6]));
        conf.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE);
        conf.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        conf.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        conf.put(StreamsConfig.producerPrefix(ProducerConfig.ACKS_CONFIG), "all");
        conf.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 0);
        conf.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 1000000);
        builder.stream(args[1], Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
            .processValues(Grader::new)
            .to(args[2], Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));
        streams = new KafkaStreams(builder.build(), conf);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close();
            stopped.countDown();
        }));
        streams.start();
        stopped.await();
    }
}
