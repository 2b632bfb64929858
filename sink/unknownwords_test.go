package sink

import (
	"net/http"
	"strings"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// TestTheWordsOfAnUnknownRefusalAreNotShown: they may quote a partition key, which is an
// identity.
func TestTheWordsOfAnUnknownRefusalAreNotShown(t *testing.T) {
	const identity = "ada@example.com"
	for code, shows := range map[string]bool{"InvalidParameterException": false, "AccessDeniedException": true} {
		_, shown := classify("PutRecords", &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: http.StatusBadRequest}},
			Err:      &smithy.GenericAPIError{Code: code, Message: "Value '" + identity + "' at 'records.1.member.partitionKey'"},
		}})
		if !strings.Contains(shown.Error(), code) || strings.Contains(shown.Error(), identity) != shows {
			t.Errorf("shown: %v", shown)
		}
	}
}
