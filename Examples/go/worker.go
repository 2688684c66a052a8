// A worker of which one works at a time, on however many machines it is started.
//
//	./run --endpoints 127.0.0.1:7401,127.0.0.1:7402,127.0.0.1:7403 --name NAME
//
// It writes a line for each step: its fencing token, and who did it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	host, _ := os.Hostname()
	endpoints := flag.String("endpoints", "127.0.0.1:7401,127.0.0.1:7402,127.0.0.1:7403", "client addresses")
	name := flag.String("name", fmt.Sprintf("%s-%d", host, os.Getpid()), "who takes part")
	latch := flag.String("latch", "go-worker", "the latch")
	ttl := flag.Duration("ttl", 5*time.Second, "how long the session outlives its last renewal")
	flag.Parse()

	// The end of the program leaves the latch, so the next worker need not wait for the TTL.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	l, err := NewLatch(strings.Split(*endpoints, ","), *latch, *name, *ttl)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	l.Run(ctx, func(ctx context.Context, grant *Grant) {
		// Ask before every step. A step that is under way when the time is over still ends after
		// it: only what is written to can refuse that, by the token (Examples/fencing).
		for grant.IsCertain() && ctx.Err() == nil {
			fmt.Printf("%d %s works\n", grant.Token, *name)
			time.Sleep(100 * time.Millisecond)
		}
		fmt.Printf("%d %s stops\n", grant.Token, *name)
	})
}
