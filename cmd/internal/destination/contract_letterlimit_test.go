package destination

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/verify"
)

// takes lets a topic take messages of so many bytes.
func (s *site) takes(topic string, bytes int) {
	s.t.Helper()
	res, err := s.kafka.IncrementalAlterConfigs(s.t.Context(), &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: topic,
		Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: "max.message.bytes", Value: strconv.Itoa(bytes), ConfigOperation: kafka.ConfigOperationSet}},
	}}})
	if err != nil || len(res.Resources) != 1 || res.Resources[0].Error != nil {
		s.t.Fatal("set the limit of ", topic, res, err)
	}
}

// limitCheck is what validate --live says of the dead-letter topic's limit; false:
// nothing.
func (s *site) limitCheck() (verify.Check, bool) {
	s.t.Helper()
	cfg, err := config.Parse("site.yaml", []byte(s.configText()))
	if err != nil {
		s.t.Fatal(err)
	}
	checks, _, err := verify.Live(s.t.Context(), &cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, check := range checks {
		if strings.HasPrefix(check.What, "max.message.bytes of topic ") {
			return check, true
		}
	}
	return verify.Check{}, false
}

// A letter is larger than its message, and a topic of letters that takes less than
// the source is found out before the first letter that is cut.
func TestContractValidateComparesWhatTheDeadLetterTopicTakes(t *testing.T) {
	s := newSite(t, nil)
	if check, said := s.limitCheck(); said {
		t.Errorf("before there is a topic: %+v", check)
	}
	s.makeTopic(s.letterTopic(), 1)
	s.takes(s.topic, 2_000_000)
	for _, c := range []struct {
		letters int
		note    string
	}{
		{1_500_000, "1500000, and 2000000 of the source topics: a larger letter is sent compressed, or without its value; raise it if the cluster allows that"},
		{2_000_000, "2000000"},
		{2_500_000, "2500000"},
	} {
		s.takes(s.letterTopic(), c.letters)
		var check verify.Check
		s.await(30*time.Second, "the limit is known", func() bool { // a broker says so before it knows it
			said := false
			check, said = s.limitCheck()
			return said && strings.HasPrefix(check.Note, strconv.Itoa(c.letters))
		})
		if check.What != "max.message.bytes of topic "+s.letterTopic() || !check.OK || check.Note != c.note {
			t.Errorf("%d: %+v", c.letters, check)
		}
	}
}
