package sink

import (
	"math"
	"time"
)

const (
	// paceBeat is how often refusals are weighed. Beats are those of the wall clock,
	// so that all processes that write to a stream try a lower rate at the same
	// time: what one of many does alone shows in nobody's refusals.
	paceBeat = 250 * time.Millisecond
	// paceRound is how long refusals are added up while they are no reason to act.
	paceRound = time.Second
	// paceTrial is how long a lower rate is tried: until paceEvidence records would
	// have been refused if it were of no use, within paceTrialMost.
	paceTrial     = 2 * paceBeat
	paceTrialMost = 2 * time.Second
	paceEvidence  = 9
	// paceSample is the least number of answers that say anything, waited for at
	// most paceUnsure.
	paceSample = 20
	paceUnsure = 5 * time.Second
	// paceTolerate is the share of refusals that is no reason to act, paceUrgent
	// the one that is a reason at the next beat and not only at the next second,
	// by which most processes have seen it.
	paceTolerate = 0.01
	paceUrgent   = 0.1
	// paceMargin is kept below what the stream was seen to take.
	paceMargin = 0.03
	// paceCut is the most that is given up at once, paceLeast what is always left.
	paceCut   = 0.9
	paceLeast = 0.02
	// paceNoise is the largest share of refusals that is believed to come at any
	// rate. A stream that refuses more is left alone, whatever it does it for.
	paceNoise = 0.4
	// paceDoubt is how often that belief is tried again.
	paceDoubt = 5 * time.Second
	// A rate rises by paceRise of itself a second for the first two seconds after it
	// fell, so that it stays near what the stream took, however many processes write
	// to it; then twice as fast with each second, since others may have gone. At
	// least it rises by paceRiseLeast of the limits a second, by which processes
	// come to equal rates, and at most by paceRiseMost.
	paceRise      = 0.02
	paceRiseWait  = 2 * time.Second
	paceRiseLeast = 0.002
	paceRiseMost  = 0.4
)

// rateControl finds the rate at which a shard refuses little, as a share of the
// shard's limits. Refusals may come of the rate, ours or that of others, or come
// whatever the rate; slowing down helps against the former only, and took most of
// the throughput where they were of the latter. So what is refused decides, not
// that something is: a trial lowers the rate to what was taken. If the refusals
// vanish they came of the rate, and it stays. If their share is the same, twice,
// they do not, and the rate before is taken up again; that share is then noise,
// which is doubted every few seconds. It is pure; its bucket guards it.
type rateControl struct {
	share float64 // the rate
	noise float64 // the share of refusals that comes at any rate

	at    time.Time // of the last look
	fell  time.Time // when the rate last fell for good
	tried time.Time // when noise was last tried

	began            time.Time // of the round
	records, refused int       // of the answers to what was sent in it
	used             float64   // what was taken in it, in seconds of the limits

	trial trial
}

// trial is a rate that is tried because a share of the records was refused. If
// they came of the rate, only base of them is refused now.
type trial struct {
	on      bool
	refused float64
	base    float64
	before  float64 // the rate
	same    int     // how often the share did not change
	needed  int     // how often it must not
}

func newRateControl() rateControl { return rateControl{share: 1} }

// took notes that records were sent, in seconds of the limits.
func (c *rateControl) took(used float64) { c.used += used }

// answered notes the answers to records that were sent at a time.
func (c *rateControl) answered(sent time.Time, records, refused int) {
	if !sent.Before(c.began) {
		c.records += records
		c.refused += refused
	}
}

// advance brings the rate up to a time. It reports whether the rate fell, so that
// nothing that was saved up at the one before is to be spent.
func (c *rateControl) advance(now time.Time) (fell bool) {
	if c.at.IsZero() {
		c.at = now
		c.restart(now)
	}
	last, passed := c.at, now.Sub(c.at).Seconds()
	if passed <= 0 {
		return false
	}
	c.at = now
	if !c.trial.on && c.share < c.most() {
		c.share = min(c.share+passed*c.rise(now), c.most())
	}
	if beat(last) == beat(now) {
		return false
	}
	before := c.share
	c.weigh(now)
	return c.share < before
}

func beat(t time.Time) int64 { return t.UnixNano() / int64(paceBeat) }

// most is the rate at which the shard takes its limits, noise made up for.
func (c *rateControl) most() float64 { return 1 / (1 - c.noise) }

func (c *rateControl) rise(now time.Time) float64 {
	doublings := max(now.Sub(c.fell)-paceRiseWait, 0).Seconds()
	return min(max(c.share*min(paceRise*math.Exp2(min(doublings, 10)), 1), paceRiseLeast), paceRiseMost)
}

func (c *rateControl) restart(now time.Time) {
	c.began, c.records, c.refused, c.used = now, 0, 0, 0
}

// weigh judges the round at the end of a beat.
func (c *rateControl) weigh(now time.Time) {
	age := now.Sub(c.began)
	if c.records < paceSample {
		if age >= paceUnsure { // hardly anything is sent: there is nothing to pace
			if c.trial.on {
				c.share = c.trial.before
				c.trial = trial{}
			}
			c.restart(now)
		}
		return
	}
	refused := float64(c.refused) / float64(c.records)
	switch {
	case c.trial.on:
		told := float64(c.records)*(c.trial.refused-c.trial.base) >= paceEvidence
		if age >= paceTrial && (told || age >= paceTrialMost) {
			c.concludeTrial(now, refused, told)
		}
	case c.exceeds(c.noise + paceUrgent), c.exceeds(c.noise+paceTolerate) && age >= paceTrial && now.Unix() != c.began.Unix():
		c.try(now, trial{refused: refused, base: c.noise, before: c.share, needed: 2})
	case c.noise > 0 && now.UnixNano()/int64(paceDoubt) != c.tried.UnixNano()/int64(paceDoubt):
		c.tried = now
		c.try(now, trial{refused: max(refused, c.noise), before: c.share, needed: 1})
	case age >= paceRound && now.Unix() != c.began.Unix():
		c.quieter(refused)
		c.restart(now)
	}
}

// exceeds says whether more was refused than a share, chance allowed for: two
// standard deviations.
func (c *rateControl) exceeds(share float64) bool {
	expected := float64(c.records) * share
	return float64(c.refused) > expected+2*math.Sqrt(expected*(1-share))
}

// quieter lowers the noise to what is refused by now.
func (c *rateControl) quieter(refused float64) {
	if refused < c.noise {
		c.noise = (c.noise + refused) / 2
	}
	if c.noise < paceTolerate {
		c.noise = 0
	}
	c.share = min(c.share, c.most())
}

// try lowers the rate to what the stream took if the refusals came of the rate.
// What was really sent counts: a rate that is not made use of can fall unnoticed.
func (c *rateControl) try(now time.Time, t trial) {
	t.on = true
	used := c.share
	if age := now.Sub(c.began).Seconds(); age > 0 && c.used/age < c.share/2 { // not by chance
		used = c.used / age
	}
	taken := max(1-t.refused, 1-paceCut) / (1 - t.base)
	c.share = min(max(used*taken*(1-paceMargin), paceLeast), c.share)
	c.trial = t
	c.restart(now)
}

// concludeTrial ends a trial by what was refused in it, or goes on with the next one.
// Where too few records tell, the rate is taken to be the reason.
func (c *rateControl) concludeTrial(now time.Time, refused float64, told bool) {
	t := c.trial
	switch {
	case refused <= (t.base+t.refused)/2, !told && refused <= paceNoise: // it came of the rate
		c.trial = trial{}
		if t.base >= c.noise { // noise that proves to be none is no reason to be slow
			c.fell = now
		}
		c.noise = min(c.noise, max(refused, t.base))
		c.quieter(refused)
		c.restart(now)
		return
	case refused <= paceNoise && math.Abs(refused-t.refused) <= c.chance(t.refused):
		t.same++
	default: // the stream, or what others send, has changed
		t.same = 0
	}
	t.refused = refused
	if t.same < t.needed {
		c.try(now, t)
		return
	}
	c.trial = trial{}
	c.noise = refused
	c.share = min(t.before, c.most())
	c.tried = now
	c.restart(now)
}

// chance is by how much a share of refusals may differ and be the same.
func (c *rateControl) chance(share float64) float64 {
	return max(0.15*share, 2*math.Sqrt(share*(1-share)/float64(c.records)))
}
