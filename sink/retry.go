package sink

import (
	"math/rand/v2"
	"time"

	"kinesis-destination/schemas/backoff"
)

// action is what becomes of a record that was not delivered.
type action int

const (
	// again: it is sent again, with backoff.
	again action = iota
	// hold: nothing can be delivered until someone acts; probed with backoff
	// for ever.
	hold
	// refuse: the record or the request is at fault; alone in its request, the
	// record goes to the dead-letter topic.
	refuse
)

// verdict is how a failure is treated, and the word that users see for it.
type verdict struct {
	action action
	reason string
	// reached: the service answered, so it is there.
	reached bool
}

// Reasons of holds and retries, beside those in the table.
const (
	HoldUnreachable     = "endpoint-unreachable"
	HoldUnavailable     = "service-unavailable"
	HoldCredentials     = "invalid-credentials"
	HoldStreamMissing   = "stream-missing"
	HoldStreamNotActive = "stream-not-active"
	HoldKeysIgnored     = "partition-keys-ignored"
	HoldDeadLetterTopic = "dead-letter-topic"
	HoldParkingFull     = "parking-full" // no more identities can be parked
	HoldExhausted       = "retries-exhausted"
	HoldConfiguration   = "invalid-configuration"
	HoldUnknown         = "unknown-error"
	HoldClockSkew       = "clock-skew"

	retryThrottled = "throttled"
	retryKMS       = "kms-throttled"
	retryInternal  = "internal-failure"
	retryTimeout   = "timeout"
	retryNetwork   = "network"
	retryUnknown   = "unknown-error"
	retryHeld      = "held"
	retryHalved    = "halved"
	retryResharded = "resharded"
)

// verdicts is the one table of what the service's error codes mean. A code of
// an entry and a code of a whole call mean the same.
//
// A code that is not in it: an entry is sent again, as the service may name new
// transient ones; a call that was refused (4xx) holds, as that needs someone to
// look; a call that failed (5xx) is sent again.
var verdicts = map[string]verdict{
	"ProvisionedThroughputExceededException": {again, retryThrottled, true},
	"LimitExceededException":                 {again, retryThrottled, true},
	"ThrottlingException":                    {again, retryThrottled, true},
	"Throttling":                             {again, retryThrottled, true},
	"RequestLimitExceeded":                   {again, retryThrottled, true},
	"TooManyRequestsException":               {again, retryThrottled, true},
	"KMSThrottlingException":                 {again, retryKMS, true},
	"InternalFailure":                        {again, retryInternal, false},
	"InternalFailureException":               {again, retryInternal, false},
	"InternalServerError":                    {again, retryInternal, false},
	"ServiceUnavailable":                     {again, retryInternal, false},
	"ServiceUnavailableException":            {again, retryInternal, false},
	"RequestTimeout":                         {again, retryTimeout, false},
	"RequestTimeoutException":                {again, retryTimeout, false},

	"AccessDeniedException":               {hold, "access-denied", true},
	"AccessDenied":                        {hold, "access-denied", true},
	"UnauthorizedOperation":               {hold, "access-denied", true},
	"OptInRequired":                       {hold, "access-denied", true},
	"ExpiredToken":                        {hold, "expired-token", true},
	"ExpiredTokenException":               {hold, "expired-token", true},
	"TokenRefreshRequired":                {hold, "expired-token", true},
	"UnrecognizedClientException":         {hold, HoldCredentials, true},
	"InvalidClientTokenId":                {hold, HoldCredentials, true},
	"InvalidAccessKeyId":                  {hold, HoldCredentials, true},
	"InvalidSignatureException":           {hold, HoldCredentials, true},
	"SignatureDoesNotMatch":               {hold, HoldCredentials, true},
	"IncompleteSignature":                 {hold, HoldCredentials, true},
	"IncompleteSignatureException":        {hold, HoldCredentials, true},
	"MissingAuthenticationToken":          {hold, HoldCredentials, true},
	"MissingAuthenticationTokenException": {hold, HoldCredentials, true},
	"NotAuthorized":                       {hold, HoldCredentials, true},
	"RequestExpired":                      {hold, HoldClockSkew, true},
	"RequestTimeTooSkewed":                {hold, HoldClockSkew, true},
	"RequestInTheFuture":                  {hold, HoldClockSkew, true},
	"KMSAccessDeniedException":            {hold, "kms-access-denied", true},
	"KMSDisabledException":                {hold, "kms-disabled", true},
	"KMSInvalidStateException":            {hold, "kms-invalid-state", true},
	"KMSNotFoundException":                {hold, "kms-not-found", true},
	"KMSOptInRequired":                    {hold, "kms-opt-in-required", true},
	"ResourceNotFoundException":           {hold, HoldStreamMissing, true},
	"ResourceInUseException":              {hold, HoldStreamNotActive, true},

	"ValidationException":            {refuse, ReasonRejected, true},
	"InvalidArgumentException":       {refuse, ReasonRejected, true},
	"SerializationException":         {refuse, ReasonRejected, true},
	"RequestEntityTooLargeException": {refuse, ReasonRejected, true},
}

// entryVerdict says what the code of one entry means.
func entryVerdict(code string) verdict {
	if v, ok := verdicts[code]; ok {
		return v
	}
	return verdict{again, retryUnknown, true}
}

// callVerdict says what the code of a whole call means.
func callVerdict(code string, status int) verdict {
	if v, ok := verdicts[code]; ok {
		return v
	}
	if status >= 500 || status == 0 {
		return verdict{again, retryInternal, false}
	}
	return verdict{hold, HoldUnknown, true}
}

// newRetryBackoff paces the repetition of one failure.
func newRetryBackoff(r Retry, now time.Time, random *rand.Rand) *backoff.Backoff {
	return backoff.New(backoff.Config{
		Initial: r.InitialInterval, Max: r.MaxInterval, Elapsed: r.MaxElapsedTime, Jitter: backoff.Full, Random: random,
	}, now)
}
