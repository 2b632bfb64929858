package embeddedkinesis

import (
	"encoding/base64"
	"slices"
	"strings"
)

// listPage is the most that one answer of a list holds.
const listPage = 1000

type shardView struct {
	ShardId               string
	ParentShardId         string `json:",omitempty"`
	AdjacentParentShardId string `json:",omitempty"`
	HashKeyRange          struct{ StartingHashKey, EndingHashKey string }
	SequenceNumberRange   struct {
		StartingSequenceNumber string
		EndingSequenceNumber   string `json:",omitempty"`
	}
}

func (sh *shard) view() shardView {
	v := shardView{ShardId: sh.id}
	if len(sh.parents) > 0 {
		v.ParentShardId = sh.parents[0]
	}
	if len(sh.parents) > 1 {
		v.AdjacentParentShardId = sh.parents[1]
	}
	v.HashKeyRange.StartingHashKey, v.HashKeyRange.EndingHashKey = sh.from.String(), sh.to.String()
	v.SequenceNumberRange.StartingSequenceNumber = sh.first
	v.SequenceNumberRange.EndingSequenceNumber = sh.closed
	return v
}

func (s *Server) summary(st *stream) map[string]any {
	sum := map[string]any{
		"StreamName":              st.name,
		"StreamARN":               st.arn(s),
		"StreamStatus":            st.statusNow(),
		"StreamModeDetails":       map[string]string{"StreamMode": st.mode},
		"StreamCreationTimestamp": instant{st.created},
		"RetentionPeriodHours":    24,
		"EnhancedMonitoring":      []any{map[string]any{"ShardLevelMetrics": []string{}}},
		"EncryptionType":          "NONE",
		"OpenShardCount":          len(st.open()),
		"ConsumerCount":           0,
		"MaxRecordSizeInKiB":      st.record >> 10,
	}
	if st.strategy != "" {
		sum["RecordDistributionStrategy"] = st.strategy
	}
	return sum
}

func (s *Server) describeStreamSummary(in *streamInput, _ *Action) (any, error) {
	st, err := s.find(in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	return map[string]any{"StreamDescriptionSummary": s.summary(st)}, nil
}

func (s *Server) describeStream(in *streamInput, _ *Action) (any, error) {
	st, err := s.find(in.StreamName, in.StreamARN)
	if err != nil {
		return nil, err
	}
	page, more := st.page(in.ExclusiveStartShardId, in.Limit, 100)
	desc := s.summary(st)
	delete(desc, "OpenShardCount")
	delete(desc, "ConsumerCount")
	desc["Shards"], desc["HasMoreShards"] = page, more
	return map[string]any{"StreamDescription": desc}, nil
}

// page returns the shards after one, at most limit.
func (st *stream) page(after string, limit, most int) ([]shardView, bool) {
	if limit <= 0 || limit > most {
		limit = most
	}
	views := []shardView{}
	for _, sh := range st.shards {
		if sh.id <= after {
			continue
		}
		if len(views) == limit {
			return views, true
		}
		views = append(views, sh.view())
	}
	return views, false
}

type listShardsInput struct {
	StreamName, StreamARN string
	NextToken             string
	ExclusiveStartShardId string
	MaxResults            int
	ShardFilter           *struct{ Type string }
}

func (s *Server) listShards(in *listShardsInput, _ *Action) (any, error) {
	name, after := in.StreamName, in.ExclusiveStartShardId
	if in.NextToken != "" {
		if name != "" || in.StreamARN != "" {
			return nil, fail("InvalidArgumentException", "NextToken and the stream cannot be given together.")
		}
		token, err := base64.StdEncoding.DecodeString(in.NextToken)
		parts := strings.Split(string(token), " ")
		if err != nil || len(parts) != 3 {
			return nil, fail("InvalidArgumentException", "NextToken is invalid.")
		}
		name, after = parts[0], parts[1]
		if parts[2] == "latest" {
			in.ShardFilter = &struct{ Type string }{"AT_LATEST"}
		}
	}
	st, err := s.find(name, in.StreamARN)
	if err != nil {
		return nil, err
	}
	filtered, kind := st, "all"
	if in.ShardFilter != nil && in.ShardFilter.Type == "AT_LATEST" {
		filtered, kind = &stream{shards: st.open()}, "latest"
	}
	page, more := filtered.page(after, in.MaxResults, listPage)
	out := map[string]any{"Shards": page}
	if more {
		token := st.name + " " + page[len(page)-1].ShardId + " " + kind
		out["NextToken"] = base64.StdEncoding.EncodeToString([]byte(token))
	}
	return out, nil
}

type listStreamsInput struct {
	ExclusiveStartStreamName, NextToken string
	Limit                               int
}

func (s *Server) listStreams(in *listStreamsInput, _ *Action) (any, error) {
	after := in.ExclusiveStartStreamName
	if in.NextToken != "" {
		after = in.NextToken
	}
	names := []string{}
	for name := range s.streams {
		if name > after {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	limit := in.Limit
	if limit <= 0 || limit > 100 {
		limit = 100
	}
	out := map[string]any{"HasMoreStreams": len(names) > limit}
	if len(names) > limit {
		names = names[:limit]
		out["NextToken"] = names[limit-1]
	}
	out["StreamNames"] = names
	return out, nil
}
