package destination

import (
	"strings"
	"testing"
	"testing/synctest"
)

// TestARefusedReloadIsInTheMetrics: file and process differ, and nothing but the log and /status said so.
func TestARefusedReloadIsInTheMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRuled(t, governedConfig)
		for _, c := range []struct{ text, metric string }{
			{governedConfig + "slip: 1\n", `kinesis_destination_config_reload_ok{destination="leads"} 0`},
			{governedConfig, `kinesis_destination_config_reload_ok{destination="leads"} 1`},
		} {
			status := r.reloadWith(c.text)
			_, body := r.get(8080, "/metrics")
			if !strings.Contains(body, c.metric) || (status.Refused != nil) != strings.HasSuffix(c.metric, "0") {
				t.Errorf("%q is not there, or /status says otherwise: %+v", c.metric, status.Refused)
			}
			if !strings.Contains(body, `kinesis_destination_build_info{commit="`) {
				t.Error("no build info")
			}
		}
	})
}
