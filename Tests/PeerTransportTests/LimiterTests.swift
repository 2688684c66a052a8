import NIOCore
import PeerTransport
import RaftCore
import Testing

@Suite("Limits of events and attempts")
struct LimiterTests {
    @Test("events about one server come as a burst, then one each interval with a count")
    func events() {
        var limiter = EventLimiter(burst: 2, interval: .seconds(1))
        let start = NIODeadline.uptimeNanoseconds(1_000)
        let one = ServerID(1)
        #expect(limiter.admit("a", about: one, at: start) == "a")
        #expect(limiter.admit("b", about: one, at: start) == "b")
        #expect(limiter.admit("c", about: one, at: start) == nil)
        #expect(limiter.admit("d", about: one, at: start + .milliseconds(999)) == nil)
        #expect(limiter.admit("e", about: nil, at: start) == "e")
        #expect(
            limiter.admit("f", about: one, at: start + .seconds(1)) == "f (and 2 more before it)")
        #expect(limiter.admit("g", about: one, at: start + .seconds(1)) == nil)
    }

    @Test("the back-off starts at once, doubles, is bounded, and its jitter is at most half")
    func backOff() {
        let backOff = BackOff(first: .milliseconds(10), longest: .milliseconds(1_000))
        #expect(backOff.delay(afterFailures: 0, jitter: 1) == .zero)
        for (failures, longest): (Int, Int64) in [
            (1, 10), (2, 20), (3, 40), (7, 640), (8, 1_000), (.max, 1_000),
        ] {
            #expect(backOff.delay(afterFailures: failures, jitter: 1) == .milliseconds(longest))
            #expect(backOff.delay(afterFailures: failures, jitter: 0) == .milliseconds(longest / 2))
        }
    }
}
