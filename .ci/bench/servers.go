package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"kinesis-destination/.ci/bench/account"
)

// startStream starts the fake stream, which is also the registry.
func (b *bench) startStream(ctx context.Context) error {
	b.stream = exec.Command(b.program("stream"))
	b.stream.Stderr = os.Stderr
	out, err := b.stream.StdoutPipe()
	if err == nil {
		_, err = b.stream.StdinPipe() // it ends when this one is closed
	}
	if err == nil {
		err = b.stream.Start()
	}
	if err != nil {
		return fmt.Errorf("start the stream: %w", err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.stopStream()
		return fmt.Errorf("start the stream: %w", err)
	}
	b.address = strings.TrimSpace(line)
	return ctx.Err()
}

func (b *bench) stopStream() {
	_ = b.stream.Process.Kill() // it holds nothing
	_ = b.stream.Wait()
}

func (b *bench) setTask(ctx context.Context, task account.Task) error {
	body, err := json.Marshal(task)
	if err != nil {
		return fmt.Errorf("tell the stream its task: %w", err)
	}
	_, err = call(ctx, http.MethodPost, "http://"+b.address+"/task", body)
	return err
}

func (b *bench) account(ctx context.Context) (account.Account, error) {
	var a account.Account
	body, err := call(ctx, http.MethodGet, "http://"+b.address+"/account", nil)
	if err == nil {
		err = json.Unmarshal(body, &a)
	}
	return a, err
}

// callLimit is longer than a CPU profile takes.
const callLimit = 2 * time.Minute

func call(ctx context.Context, method, url string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, url, res.Status, answer)
	}
	return answer, err
}

func freeAddress(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}
