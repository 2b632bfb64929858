package deadletters

import (
	"cmp"
	"context"
	"slices"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/letter"
	"kinesis-destination/consumer"
)

// List is what lies on the dead-letter topic and is neither redriven nor dropped.
type List struct {
	Topic   string          `json:"topic"`
	Open    int64           `json:"open"`    // of those that were asked for
	Causes  []Cause         `json:"causes"`  // the most frequent first
	Times   []Period        `json:"times"`   // when they failed
	Letters []letter.Letter `json:"letters"` // the newest, in order
	// Foreign is what lies on the topic and is no letter of the destination, whatever
	// was asked for.
	Foreign []Foreign `json:"foreign"`
}

// Foreign are messages that are no letters of the destination, for one cause.
type Foreign struct {
	Reason    string `json:"reason"` // ReasonForeign or ReasonOtherDestination
	Why       string `json:"why"`
	Count     int64  `json:"count"`
	Partition int    `json:"partition"` // of the first of them, as offset
	Offset    int64  `json:"offset"`
}

// Cause is how many letters have a stage and reason.
type Cause struct {
	Stage  string    `json:"stage"`
	Reason string    `json:"reason"`
	Count  int64     `json:"count"`
	First  time.Time `json:"first"`
	Last   time.Time `json:"last"`
}

// Period is one bar of the histogram.
type Period struct {
	From  time.Time     `json:"from"`
	Long  time.Duration `json:"-"`
	Count int64         `json:"count"`
}

// ListAll lists the open letters that a filter chooses, at most newest of
// them one by one.
func ListAll(ctx context.Context, config *config.Config, id string, filter Filter, newest int) (*List, error) {
	b, err := Open(ctx, config, id)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	t := newTally(newest)
	if err := b.first(ctx, func(l *letter.Letter) error {
		ok, err := b.selected(ctx, &filter, l)
		if ok {
			t.letter(l)
		}
		return err
	}, t.foreign); err != nil {
		return nil, err
	}
	return t.list(config.DeadLetter.Topic), nil
}

// tally counts letters. What it counts by are words of fixed sets, so that no topic
// makes it large.
type tally struct {
	newest  int
	open    int64
	causes  map[[2]string]*Cause
	minutes map[int64]int64
	letters []letter.Letter
	strange map[string]*Foreign
}

func newTally(newest int) *tally {
	return &tally{newest: newest, causes: map[[2]string]*Cause{}, minutes: map[int64]int64{}, strange: map[string]*Foreign{}}
}

func (t *tally) letter(l *letter.Letter) {
	t.open++
	t.minutes[l.FailedAt.Unix()/60]++
	c := t.causes[[2]string{l.Stage, l.Reason}]
	if c == nil {
		c = &Cause{Stage: l.Stage, Reason: l.Reason, First: l.FailedAt, Last: l.FailedAt}
		t.causes[[2]string{l.Stage, l.Reason}] = c
	}
	c.add(l.FailedAt)
	if t.newest > 0 {
		one := *l
		one.SourceHeaders, one.Own, one.Source = nil, nil, nil // not to keep what was fetched with it
		t.letters = append(t.letters, one)
		if len(t.letters) >= 2*t.newest+keepLetters {
			t.letters = newestOf(t.letters, t.newest)
		}
	}
}

func (t *tally) foreign(m *consumer.Message, why string) {
	f := t.strange[why]
	if f == nil {
		f = &Foreign{Reason: letter.ForeignReason(why), Why: why, Partition: m.Partition, Offset: m.Offset}
		t.strange[why] = f
	}
	f.Count++
}

func (t *tally) list(topic string) *List {
	list := &List{
		Topic: topic, Open: t.open, Causes: []Cause{}, Times: histogram(t.minutes),
		Letters: newestOf(t.letters, t.newest), Foreign: []Foreign{},
	}
	for _, c := range t.causes {
		list.Causes = append(list.Causes, *c)
	}
	slices.SortFunc(list.Causes, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Reason, b.Reason))
	})
	for _, f := range t.strange {
		list.Foreign = append(list.Foreign, *f)
	}
	slices.SortFunc(list.Foreign, func(a, b Foreign) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Why, b.Why)) })
	return list
}

// keepLetters is how many letters more than asked for are kept before the older go.
const keepLetters = 1000

func newestOf(letters []letter.Letter, n int) []letter.Letter {
	slices.SortStableFunc(letters, func(a, b letter.Letter) int { return a.FailedAt.Compare(b.FailedAt) })
	return append([]letter.Letter{}, letters[max(0, len(letters)-n):]...)
}

func (c *Cause) add(at time.Time) {
	c.Count++
	if at.Before(c.First) {
		c.First = at
	}
	if at.After(c.Last) {
		c.Last = at
	}
}

// periods are the widths that a histogram's bars may have.
var periods = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 12 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 28 * 24 * time.Hour,
}

// maxPeriods is how many bars fit a screen.
const maxPeriods = 24

// histogram counts letters, given by the minute, in the finest bars that fit.
// Bars without letters are there too: a pause tells as much.
func histogram(minutes map[int64]int64) []Period {
	bars := []Period{}
	if len(minutes) == 0 {
		return bars
	}
	first, last := int64(1<<62), int64(-1<<62)
	for m := range minutes {
		first, last = min(first, m), max(last, m)
	}
	width := periods[len(periods)-1]
	for _, p := range periods {
		if n := int64(p / time.Minute); last/n-first/n < maxPeriods {
			width = p
			break
		}
	}
	n := int64(width / time.Minute)
	for bar := max(first/n, last/n-10*maxPeriods); bar <= last/n; bar++ {
		bars = append(bars, Period{From: time.Unix(bar*n*60, 0).UTC(), Long: width})
	}
	for m, count := range minutes {
		if i := m/n - bars[0].From.Unix()/60/n; i >= 0 {
			bars[i].Count += count
		}
	}
	return bars
}
