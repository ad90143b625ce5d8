// Every method of gocent against a fanfare at FANFARE_API. gocent's own tests ask no server.
package gocent_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/centrifugal/gocent/v3"
)

var ctx = context.Background()

func client(t *testing.T) *gocent.Client {
	address := os.Getenv("FANFARE_API")
	if address == "" {
		t.Fatal("FANFARE_API must name the API of a running fanfare")
	}
	return gocent.New(gocent.Config{Addr: address, Key: "key-of-the-suites"})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPublish(t *testing.T) {
	c := client(t)
	for offset := uint64(1); offset <= 2; offset++ {
		result, err := c.Publish(ctx, "publish", []byte(`{"a":1}`))
		must(t, err)
		if result.Offset != offset || result.Epoch == "" {
			t.Fatalf("%+v", result)
		}
	}
	result, err := c.Publish(ctx, "publish", []byte(`1`), gocent.WithSkipHistory(true))
	must(t, err)
	if result.Offset != 0 {
		t.Fatalf("%+v", result)
	}
}

func TestErrors(t *testing.T) {
	_, err := client(t).Publish(ctx, "nosuch:x", []byte(`1`))
	var told *gocent.Error
	if !errors.As(err, &told) || told.Code != 102 {
		t.Fatalf("%v", err)
	}
	_, err = gocent.New(gocent.Config{Addr: os.Getenv("FANFARE_API"), Key: "wrong"}).Info(ctx)
	var status gocent.ErrStatusCode
	if !errors.As(err, &status) || status.Code != 401 {
		t.Fatalf("%v", err)
	}
}

func TestBroadcast(t *testing.T) {
	result, err := client(t).Broadcast(ctx, []string{"broadcast", "nosuch:x"}, []byte(`"text"`))
	must(t, err)
	if len(result.Responses) != 2 || result.Responses[0].Result.Offset != 1 || result.Responses[1].Error.Code != 102 {
		t.Fatalf("%+v", result)
	}
}

func TestSubscribeAndUnsubscribe(t *testing.T) {
	c := client(t)
	must(t, c.Subscribe(ctx, "news", "42", gocent.WithSubscribeInfo(json.RawMessage(`{"seat":1}`))))
	must(t, c.Unsubscribe(ctx, "news", "42"))
}

func TestDisconnect(t *testing.T) {
	must(t, client(t).Disconnect(ctx, "42"))
}

func TestPresence(t *testing.T) {
	c := client(t)
	present, err := c.Presence(ctx, "presence")
	must(t, err)
	stats, err := c.PresenceStats(ctx, "presence")
	must(t, err)
	if len(present.Presence) != 0 || stats.NumClients != 0 {
		t.Fatalf("%+v %+v", present, stats)
	}
	_, err = c.Presence(ctx, "bare:x")
	var told *gocent.Error
	if !errors.As(err, &told) || told.Code != 108 {
		t.Fatalf("%v", err)
	}
}

func TestHistory(t *testing.T) {
	c := client(t)
	for range [3]int{} {
		_, err := c.Publish(ctx, "history", []byte(`{"a":1}`))
		must(t, err)
	}
	all, err := c.History(ctx, "history", gocent.WithLimit(-1))
	must(t, err)
	since := gocent.StreamPosition{Offset: 2, Epoch: all.Epoch}
	rest, err := c.History(ctx, "history", gocent.WithLimit(-1), gocent.WithSince(&since))
	must(t, err)
	last, err := c.History(ctx, "history", gocent.WithLimit(1), gocent.WithReverse(true))
	must(t, err)
	if len(all.Publications) != 3 || len(rest.Publications) != 1 || last.Publications[0].Offset != 3 {
		t.Fatalf("%+v\n%+v\n%+v", all, rest, last)
	}
	must(t, c.HistoryRemove(ctx, "history"))
	none, err := c.History(ctx, "history", gocent.WithLimit(-1))
	must(t, err)
	if len(none.Publications) != 0 {
		t.Fatalf("%+v", none)
	}
}

func TestChannels(t *testing.T) {
	result, err := client(t).Channels(ctx, gocent.WithPattern("nothing*"))
	must(t, err)
	if len(result.Channels) != 0 {
		t.Fatalf("%+v", result)
	}
}

func TestInfo(t *testing.T) {
	result, err := client(t).Info(ctx)
	must(t, err)
	if len(result.Nodes) != 1 || result.Nodes[0].UID == "" {
		t.Fatalf("%+v", result)
	}
}

func TestPipe(t *testing.T) {
	c := client(t)
	pipe := c.Pipe()
	must(t, pipe.AddPublish("pipe", []byte(`1`)))
	must(t, pipe.AddPublish("nosuch:x", []byte(`1`)))
	must(t, pipe.AddBroadcast([]string{"pipe"}, []byte(`2`)))
	must(t, pipe.AddHistory("pipe", gocent.WithLimit(-1)))
	must(t, pipe.AddPresenceStats("pipe"))
	must(t, pipe.AddDisconnect("nobody"))
	must(t, pipe.AddInfo())
	replies, err := c.SendPipe(ctx, pipe)
	must(t, err)
	if len(replies) != 7 || replies[1].Error == nil || replies[1].Error.Code != 102 {
		t.Fatalf("%+v", replies)
	}
	for index, reply := range replies {
		if index != 1 && (reply.Error != nil || len(reply.Result) == 0) {
			t.Fatalf("%d: %+v", index, reply)
		}
	}
}
