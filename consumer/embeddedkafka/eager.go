package embeddedkafka

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Dial opens connections, as net.Dialer does.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// EagerDial makes of whoever dials with it a group member that knows the eager
// protocol "sticky" alone, as members of an earlier version are: what else it
// offers does not reach the broker. It reads requests, so it does nothing for TLS.
func EagerDial(dial Dial) Dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return eagerConn{conn}, nil
	}
}

type eagerConn struct{ net.Conn }

func (c eagerConn) Write(b []byte) (int, error) {
	request, err := eagerJoin(b)
	if err != nil {
		return 0, err
	}
	if _, err := c.Conn.Write(request); err != nil {
		return 0, err
	}
	return len(b), nil
}

// eagerJoin takes the other protocols out of a JoinGroup request, which is written
// at once; anything else is left as it is.
func eagerJoin(b []byte) ([]byte, error) {
	// size int32, key int16, version int16, correlation int32, client id (int16 and text)
	const header = 4 + 2 + 2 + 4 + 2
	join := kmsg.NewPtrJoinGroupRequest()
	if len(b) < header || b[0] != 0 || int16(binary.BigEndian.Uint16(b[4:])) != join.Key() {
		return b, nil
	}
	if int(binary.BigEndian.Uint32(b)) != len(b)-4 {
		return nil, fmt.Errorf("a JoinGroup request in more than one piece")
	}
	join.SetVersion(int16(binary.BigEndian.Uint16(b[6:])))
	body := header + max(0, int(int16(binary.BigEndian.Uint16(b[header-2:]))))
	if join.IsFlexible() {
		body++ // no tags
	}
	if err := join.ReadFrom(b[body:]); err != nil {
		return nil, fmt.Errorf("read a JoinGroup request: %w", err)
	}
	join.Protocols = slices.DeleteFunc(join.Protocols, func(p kmsg.JoinGroupRequestProtocol) bool { return p.Name != "sticky" })
	request := join.AppendTo(slices.Clone(b[:body]))
	binary.BigEndian.PutUint32(request, uint32(len(request)-4))
	return request, nil
}
