package main

import (
	"context"
	"errors"
	"math/rand"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/status"

	pb "example.com/latchd-worker/latchd/v1"
)

// Latch takes part in one latch for ever. Copy this file and change it.
type Latch struct {
	mutex       sync.Mutex
	stubs       []pb.LatchServiceClient
	name        *pb.LatchName
	participant string
	ttl         time.Duration
}

// Grant is leadership: a token and a deadline, never a boolean.
type Grant struct {
	Token    uint64
	deadline *int64
	context  context.Context
}

// IsCertain tells whether the latch is held for sure, by this process's own clock.
func (g *Grant) IsCertain() bool {
	return g.context.Err() == nil && now() < time.Duration(atomic.LoadInt64(g.deadline))
}

var errOut = errors.New("the participant is out of the latch")

// NewLatch connects when it must; every node serves every call.
func NewLatch(endpoints []string, name, participant string, ttl time.Duration) (*Latch, error) {
	l := &Latch{name: &pb.LatchName{Namespace: "default", Name: name}, participant: participant, ttl: ttl}
	fast := backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second}
	for _, endpoint := range endpoints {
		channel, err := grpc.Dial(endpoint, grpc.WithInsecure(),
			grpc.WithConnectParams(grpc.ConnectParams{Backoff: fast, MinConnectTimeout: time.Second}))
		if err != nil {
			return nil, err
		}
		l.stubs = append(l.stubs, pb.NewLatchServiceClient(channel))
	}
	return l, nil
}

func (l *Latch) current() pb.LatchServiceClient {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.stubs[0]
}

// moveOn leaves a node that failed; whoever notices first turns the wheel.
func (l *Latch) moveOn(failed pb.LatchServiceClient) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.stubs[0] == failed {
		l.stubs = append(l.stubs[1:], failed)
	}
}

// Run calls lead whenever the latch is granted, until the context ends, and joins again when a
// session has ended. The context that lead gets ends when the latch is lost.
func (l *Latch) Run(ctx context.Context, lead func(context.Context, *Grant)) {
	wait := 50 * time.Millisecond
	for ctx.Err() == nil {
		if err := l.stay(ctx, lead); err != nil {
			// Not all at the same moment, and not ever more slowly.
			pause(ctx, time.Duration(rand.Int63n(int64(wait))))
			if wait *= 2; wait > 3*time.Second {
				wait = 3 * time.Second
			}
			continue
		}
		wait = 50 * time.Millisecond
	}
}

// stay is one session, from its opening to its end.
func (l *Latch) stay(ctx context.Context, lead func(context.Context, *Grant)) error {
	stub, sent := l.current(), now()
	call, done := context.WithTimeout(ctx, l.ttl)
	opened, err := stub.OpenSession(call, &pb.OpenSessionRequest{Latch: l.name, TtlMs: uint64(l.ttl.Milliseconds())})
	done()
	if err != nil {
		l.moveOn(stub)
		return err
	}
	// Counted from the SENDING of what was acknowledged: the cluster began to count later.
	deadline := int64(sent + milliseconds(opened.Life.ValidForMs))
	session, lost := context.WithCancel(ctx)
	granted := make(chan uint64, 1)
	var tasks sync.WaitGroup
	tasks.Add(2)
	go func() { defer tasks.Done(); defer lost(); l.keepAlive(session, opened.Session, &deadline) }()
	go func() { defer tasks.Done(); defer lost(); l.takePart(session, opened.Session, &deadline, granted) }()

	select {
	case token := <-granted:
		lead(session, &Grant{token, &deadline, session})
	case <-session.Done():
	}
	lost()
	tasks.Wait()
	// The next one in line holds the latch at once. If nobody hears it, the TTL does the same.
	call, done = context.WithTimeout(context.Background(), time.Second)
	defer done()
	_, _ = l.current().CloseSession(call, &pb.CloseSessionRequest{Session: opened.Session})
	return nil
}

func isOpen(ctx context.Context, deadline *int64) bool {
	return ctx.Err() == nil && now() < time.Duration(atomic.LoadInt64(deadline))
}

// keepAlive beats four times a TTL; each answer says for how long the session is certainly alive.
func (l *Latch) keepAlive(ctx context.Context, session *pb.Session, deadline *int64) {
	beat, sequence := l.ttl/4, uint64(0)
	for isOpen(ctx, deadline) {
		stub := l.current()
		streaming, end := context.WithCancel(ctx)
		stream, err := stub.KeepAlive(streaming)
		for err == nil && isOpen(ctx, deadline) {
			sequence++
			sent := now()
			// A node that does not answer within a beat is left for another.
			tooLate := time.AfterFunc(beat, end)
			err = stream.Send(&pb.KeepAliveRequest{Sequence: sequence, Sessions: []*pb.Session{session}})
			var answer *pb.KeepAliveResponse
			if err == nil {
				answer, err = stream.Recv()
			}
			tooLate.Stop()
			if err != nil || len(answer.Sessions) != 1 {
				break
			}
			switch life := answer.Sessions[0]; life.State {
			case pb.SessionState_SESSION_STATE_LOST:
				end()
				return
			case pb.SessionState_SESSION_STATE_ALIVE:
				atomic.StoreInt64(deadline, int64(sent+milliseconds(life.ValidForMs)))
				pause(ctx, beat)
			default: // The cluster has no quorum within this node's reach: ask another one.
				err = errors.New("jeopardy")
			}
		}
		end()
		l.moveOn(stub)
		pause(ctx, 50*time.Millisecond)
	}
}

// takePart joins once: the request id makes a repetition on another node the same join.
func (l *Latch) takePart(ctx context.Context, session *pb.Session, deadline *int64, granted chan<- uint64) {
	request := &pb.JoinRequest{Session: session, Participant: l.participant, RequestId: 1}
	isHolding := false
	for isOpen(ctx, deadline) {
		stub := l.current()
		streaming, end := context.WithCancel(ctx)
		stream, err := stub.Join(streaming, request)
		for err == nil {
			// A heartbeat comes every five seconds.
			tooLate := time.AfterFunc(12*time.Second, end)
			var place *pb.JoinResponse
			place, err = stream.Recv()
			tooLate.Stop()
			if err != nil {
				break
			}
			switch {
			case place.State == pb.JoinState_JOIN_STATE_OUT:
				err = errOut
			case place.State == pb.JoinState_JOIN_STATE_HOLDING && !isHolding:
				isHolding = true
				granted <- place.FencingToken
			case place.State == pb.JoinState_JOIN_STATE_QUEUED && isHolding:
				err = errOut // Handed over to somebody else: this grant is over.
			}
		}
		trailer := ""
		if stream != nil {
			if words := stream.Trailer().Get("latchd-reason"); len(words) > 0 {
				trailer = words[0]
			}
		}
		end()
		if errors.Is(err, errOut) || trailer == "unknown-session" {
			return
		}
		if _, isStatus := status.FromError(err); isStatus {
			l.moveOn(stub)
		}
		pause(ctx, 50*time.Millisecond)
	}
}

func milliseconds(count uint64) time.Duration { return time.Duration(count) * time.Millisecond }

func pause(ctx context.Context, duration time.Duration) {
	select {
	case <-time.After(duration):
	case <-ctx.Done():
	}
}
