package deadletter

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// Origin is the message that a letter is about.
type Origin struct {
	Topic     string
	Partition int
	Offset    int64
	Time      time.Time
	Key       []byte
	Value     []byte
	Headers   []kafka.Header
	// Omitted tells of a value that was too large to be read; nil: it is Value.
	Omitted *Omitted
	// AtRest says that the message is a dead letter itself, of a topic that keeps
	// it: should it fail, no letter of it is written.
	AtRest bool
	// TopicID is that of the topic; zero: it is not known.
	TopicID [16]byte
	// Redrives is how often the message was a dead letter and is sent again, this time included.
	Redrives int
}

// Origin implements sink.Source.
func (o *Origin) Origin() *Origin { return o }

// headerCost is what a header takes in memory beside its text: on the wire an
// empty one is two bytes, and a message may have millions.
const headerCost = 40

// Held is about how much memory the message keeps.
func (o *Origin) Held() int { return len(o.Key) + len(o.Value) + headerBytes(o.Headers) }

func headerBytes(headers []kafka.Header) int {
	n := headerCost * len(headers)
	for _, h := range headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

// Failure says why a message goes to the dead-letter topic.
type Failure struct {
	// Stage is decode, transform or sink.
	Stage string
	// Reason is a word of a fixed set.
	Reason string
	// Message explains it. It must hold no attribute, identity or credential, and
	// is cut to TextLimit.
	Message string
	// Attempts is how often delivery was tried.
	Attempts int
	// Untried: it was not even looked whether it is delivered, which counts as no redrive.
	Untried bool
}

// Letter is a message on its way to the dead-letter topic.
type Letter struct {
	// Origin is the message, and stays as it is until Done.
	Origin *Origin
	// PartitionKey is the event's, where it is known: what parking knows it by.
	PartitionKey string
	// Revoked is closed when the claim on the source partition has ended. Nil: never.
	Revoked <-chan struct{}
	// Failure says why, At when.
	Failure Failure
	At      time.Time
	// Done is called once: the topic has acknowledged the letter, or it is given back.
	Done func(written bool)
}

func (l *Letter) revoked() bool {
	select {
	case <-l.Revoked:
		return true
	default:
		return false
	}
}

// Headers of a dead letter. Those with the prefix kafka_dlt are Spring's, which
// other tools know too: numbers are binary, big-endian.
const (
	HeaderTopic     = "kafka_dlt-original-topic"
	HeaderPartition = "kafka_dlt-original-partition"
	HeaderOffset    = "kafka_dlt-original-offset"
	HeaderTimestamp = "kafka_dlt-original-timestamp"
	HeaderGroup     = "kafka_dlt-original-consumer-group"
	HeaderMessage   = "kafka_dlt-exception-message"

	HeaderDestination = "x-destination"
	HeaderStage       = "x-stage"
	HeaderReason      = "x-reason"
	HeaderAttempts    = "x-attempts"
	HeaderFailedAt    = "x-failed-at"
	// HeaderParkedKey is the MD5 of the partition key, with deadLetter.park: what
	// an identity is known by after a restart.
	HeaderParkedKey = "x-parked-key"
	// HeaderTopicID is the id of the source topic, as the broker has it: 16 bytes. A
	// topic that was made anew has another.
	HeaderTopicID = "x-topic-id"
	// HeaderRedrives counts how often a letter was redriven and failed again.
	HeaderRedrives = "x-redrives"
	// What was left out of a letter because it is too large: of value and key
	// length and SHA-256, as Omitted writes them; how many headers.
	HeaderValueOmitted   = "x-value-omitted"
	HeaderKeyOmitted     = "x-key-omitted"
	HeaderHeadersOmitted = "x-headers-omitted"
)

// sourcePrefix is put before the name of a source's header that has the name of
// one of a letter's own, so that only those that this program wrote are believed.
const sourcePrefix = "x-source-"

func isLetterHeader(name string) bool {
	switch name {
	case HeaderTopic, HeaderPartition, HeaderOffset, HeaderTimestamp, HeaderGroup, HeaderMessage,
		HeaderDestination, HeaderStage, HeaderReason, HeaderAttempts, HeaderFailedAt, HeaderParkedKey, HeaderRedrives, HeaderTopicID,
		HeaderValueOmitted, HeaderKeyOmitted, HeaderHeadersOmitted:
		return true
	}
	return false
}

// Bare is a header's name without what LetterName puts before it, once or often.
func Bare(name string) string {
	for strings.HasPrefix(name, sourcePrefix) {
		name = name[len(sourcePrefix):]
	}
	return name
}

// LetterName is the name under which a header of the source stands in a letter.
func LetterName(name string) string {
	if isLetterHeader(Bare(name)) {
		return sourcePrefix + name
	}
	return name
}

// SourceName is the name that a header of a letter had at the source; false: it
// is the letter's own.
func SourceName(name string) (string, bool) {
	if isLetterHeader(name) {
		return "", false
	}
	if bare, ok := strings.CutPrefix(name, sourcePrefix); ok && LetterName(bare) == name {
		return bare, true
	}
	return name, true
}

// Omitted is what is known of a part of a message that is left out of its letter.
type Omitted struct {
	Length int64
	SHA256 [sha256.Size]byte
}

// OmittedOf is what is to be known of a part that is left out.
func OmittedOf(part []byte) Omitted { return Omitted{int64(len(part)), sha256.Sum256(part)} }

const omittedForm = "length=%d sha256=%x"

// String is the form that stands in a header.
func (o Omitted) String() string { return fmt.Sprintf(omittedForm, o.Length, o.SHA256) }

// ParseOmitted reads what String wrote.
func ParseOmitted(text string) (Omitted, bool) {
	var o Omitted
	var sum []byte
	if n, err := fmt.Sscanf(text, omittedForm, &o.Length, &sum); n != 2 || err != nil || len(sum) != len(o.SHA256) {
		return Omitted{}, false
	}
	o.SHA256 = [sha256.Size]byte(sum)
	return o, o.Length >= 0 && o.String() == text
}

// cut is how much is left out of a letter.
type cut int

const (
	whole     cut = iota
	noValue       // it stands in the source topic, at the place that the letter names
	noHeaders     // nor the source's headers
	noKey         // nor the key: what is left is the letter's own
)

// least is what is left out at least: with more headers, and its own, a letter could
// not be read.
func (l *Letter) least(out cut) cut {
	if len(l.Origin.Headers) > readHeaders {
		return max(out, noHeaders)
	}
	return out
}

// message makes the Kafka record: key, value and headers of the source as they
// were, then the headers that say what happened. Its time is now and not the
// source's, or the topic's retention could end it at once; the source's is in a
// header.
func (l *Letter) message(destination, group string, now time.Time, parks bool, out cut) kafka.Record {
	o := l.Origin
	out = l.least(out)
	var headers []kafka.Header
	if out < noHeaders {
		headers = make([]kafka.Header, 0, len(o.Headers)+16)
		for _, h := range o.Headers {
			headers = append(headers, kafka.Header{Key: LetterName(h.Key), Value: h.Value})
		}
	}
	text := func(key, value string) { headers = append(headers, kafka.Header{Key: key, Value: []byte(value)}) }
	binary := func(key string, value []byte) { headers = append(headers, kafka.Header{Key: key, Value: value}) }
	text(HeaderTopic, o.Topic)
	binary(HeaderPartition, big32(o.Partition))
	binary(HeaderOffset, big64(o.Offset))
	binary(HeaderTimestamp, big64(o.Time.UnixMilli()))
	text(HeaderGroup, group)
	text(HeaderMessage, l.Failure.Message)
	text(HeaderDestination, destination)
	text(HeaderStage, l.Failure.Stage)
	text(HeaderReason, l.Failure.Reason)
	text(HeaderAttempts, strconv.Itoa(l.Failure.Attempts))
	text(HeaderFailedAt, l.At.UTC().Format("2006-01-02T15:04:05.000Z07:00"))
	if o.TopicID != ([16]byte{}) {
		binary(HeaderTopicID, o.TopicID[:])
	}
	redrives := o.Redrives
	if l.Failure.Untried {
		redrives--
	}
	if redrives > 0 {
		text(HeaderRedrives, strconv.Itoa(redrives))
	}
	if parks && l.PartitionKey != "" {
		key := identityOf(l.PartitionKey)
		binary(HeaderParkedKey, key[:])
	}
	key, value := o.Key, o.Value
	switch {
	case o.Omitted != nil:
		value = []byte{} // no tombstone: there was a value
		text(HeaderValueOmitted, o.Omitted.String())
	case out >= noValue && value != nil:
		text(HeaderValueOmitted, OmittedOf(value).String())
		value = []byte{}
	}
	if out >= noHeaders {
		text(HeaderHeadersOmitted, strconv.Itoa(len(o.Headers)))
	}
	if out >= noKey && key != nil {
		text(HeaderKeyOmitted, OmittedOf(key).String())
		key = []byte{}
	}
	return kafka.Record{Key: kafka.NewBytes(key), Value: kafka.NewBytes(value), Headers: headers, Time: now}
}

func big32(n int) []byte   { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
func big64(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// ownBytes is what a letter's own headers take at most, but for its message:
// names of a topic, a group and a destination among them.
const ownBytes = 2 << 10

// size is about what the letter takes, on the wire and of those who read it.
func (l *Letter) size(out cut) int {
	o := l.Origin
	out = l.least(out)
	n := ownBytes + len(l.Failure.Message)
	if out < noKey {
		n += len(o.Key)
	}
	if out < noHeaders {
		n += headerBytes(o.Headers)
	}
	if out < noValue {
		n += len(o.Value)
	}
	return n
}

// place names the message that a letter is about.
func (l *Letter) place() string {
	return fmt.Sprintf("%s/%d@%d", l.Origin.Topic, l.Origin.Partition, l.Origin.Offset)
}

// partition returns where a letter goes: the partition it came from when the
// topics have as many, so that order and key stay as they were; else the one
// that producers choose for its key; without a key, one by its source.
func (l *Letter) partition(source, letters int) int {
	switch o := l.Origin; {
	case source == letters && o.Partition < letters:
		return o.Partition
	case o.Key == nil:
		return o.Partition % letters
	default:
		all := make([]int, letters)
		for i := range all {
			all[i] = i
		}
		return kafka.Murmur2Balancer{}.Balance(kafka.Message{Key: o.Key}, all...)
	}
}
