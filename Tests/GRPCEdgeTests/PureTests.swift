import NIOCore
import Testing

@testable import GRPCEdge

@Suite struct PureTests {
    private func timeout(_ text: String) -> TimeAmount? {
        Array(text.utf8).withUnsafeBufferPointer { GRPCTimeout.parse($0) }
    }

    @Test("grpc-timeout: one to eight digits and a unit")
    func timeouts() {
        #expect(timeout("1H") == .hours(1))
        #expect(timeout("2M") == .minutes(2))
        #expect(timeout("3S") == .seconds(3))
        #expect(timeout("100m") == .milliseconds(100))
        #expect(timeout("5u") == .microseconds(5))
        #expect(timeout("0n") == .nanoseconds(0))
        #expect(timeout("99999999H") == .hours(24 * 365))
        #expect(timeout("99999999M") == .hours(24 * 365))
        for bad in ["", "S", "1", "1s", "-1S", "123456789S", "1.5S", "1 S"] {
            #expect(timeout(bad) == nil, "\(bad)")
        }
    }

    @Test("Kept bytes are moved when fewer are left than were handed on, not for each message")
    func keptBytes() {
        var reader = MessageReader()
        let bytes = (0..<100).map { UInt8($0) }
        bytes.withUnsafeBytes { reader.keep($0) }
        var freed: [Int] = []
        for left in stride(from: 90, through: 0, by: -10) {
            var taken = reader.take()
            #expect(reader.isEmpty && taken.count == left + 10)
            freed.append(taken.drop(allBut: left))
            reader = taken
            #expect(reader.withKept { Array($0) } == Array(bytes.suffix(left)))
        }
        // Of 100 bytes half goes at once, then half of the rest, and so on.
        #expect(freed == [0, 0, 0, 0, 50, 0, 0, 30, 10, 10])
        bytes.withUnsafeBytes { reader.keep($0) }
        #expect(reader.withKept { Array($0) } == bytes)
    }

    private func encoded(_ text: String) -> String {
        var block = HeaderBlock()
        block.append("m", encoding: text)
        return String(decoding: block.bytes.dropFirst(), as: UTF8.self)
    }

    @Test("Values are percent-encoded outside of printable ASCII, and at both ends if space")
    func percentEncoding() {
        #expect(encoded("plain text") == "plain text")
        #expect(encoded("100%") == "100%25")
        #expect(encoded("a\r\nb\u{7F}") == "a%0D%0Ab%7F")
        #expect(encoded("é🔑") == "%C3%A9%F0%9F%94%91")
        #expect(encoded(" x ") == "%20x%20")
        #expect(encoded("") == "")
    }

    @Test("A long value is cut between characters")
    func cut() {
        let text = encoded(String(repeating: "é", count: 5000))
        #expect(text.utf8.count <= HeaderBlock.maximumValueBytes)
        #expect(text.utf8.count % 6 == 0)
    }

    @Test("A trailer whose name HTTP/2 forbids is left out")
    func trailerNames() {
        var block = HeaderBlock()
        block.append(.ok, [(":status", "1"), ("a b", "2"), ("", "3"), ("X-Y", "4")])
        #expect(String(decoding: block.bytes, as: UTF8.self) == "grpc-status0x-y4")
    }

    @Test("A framed message starts with flag 0 and a big-endian length")
    func framing() {
        #expect(FramedMessage(prefixing: [7, 8]).bytes == [0, 0, 0, 0, 2, 7, 8])
        #expect(FramedMessage(framed: [9, 9, 9, 9, 9, 7]).bytes == [0, 0, 0, 0, 1, 7])
        let long = FramedMessage(prefixing: [UInt8](repeating: 0, count: 0x01_02_03))
        #expect(Array(long.bytes.prefix(5)) == [0, 0, 1, 2, 3])
    }

    @Test("A peer has until the deadline to greet, answers each ping, and ends its headers")
    func liveness() {
        var settings = EdgeSettings()
        settings.handshakeTimeoutMilliseconds = 4000
        settings.requestTimeoutMilliseconds = 8000
        settings.pingIntervalSeconds = 10
        var mute = Liveness(settings)
        #expect((0..<4).map { _ in mute.sweep() } == [.none, .none, .none, .none])
        #expect(mute.sweep() == .closeUngreeted)

        var good = Liveness(settings)
        good.greeted()
        for _ in 0..<3 {
            for _ in 0..<9 { #expect(good.sweep() == .none) }
            #expect(good.sweep() == .ping)
            good.ponged()
        }
        for _ in 0..<9 { #expect(good.sweep() == .none) }
        #expect(good.sweep() == .ping)
        for _ in 0..<9 { #expect(good.sweep() == .none) }
        #expect(good.sweep() == .closeSilent)

        var stalled = Liveness(settings)
        stalled.greeted()
        stalled.headBegan()
        for _ in 0..<8 { #expect(stalled.sweep() == .none) }
        #expect(stalled.sweep() == .closeStalledHead)

        var closing = Liveness(settings)
        closing.beginClosing()
        for _ in 0..<4 { #expect(closing.sweep() == .none) }
        #expect(closing.sweep() == .closeNow)
    }

    @Test("A reader must take half of what waits in the time of a request, again and again")
    func readerPace() {
        var settings = EdgeSettings()
        settings.requestTimeoutMilliseconds = 4000
        /// Sweeps until the reader is given up, if it takes so many bytes of 1,000 in each.
        func sweepsToEnd(taking bytes: Int) -> Int? {
            var liveness = Liveness(settings)
            var pace = ReaderPace()
            var taken = 0
            for sweep in 0..<100 where taken < 1000 {
                if pace.isAbandoned(taken: taken, waiting: 1000 - taken, liveness) { return sweep }
                _ = liveness.sweep()
                taken += bytes
            }
            return nil
        }
        #expect(sweepsToEnd(taking: 0) == 5)
        #expect(sweepsToEnd(taking: 1) == 5)
        #expect(sweepsToEnd(taking: 99) == 5)
        #expect(sweepsToEnd(taking: 125) == nil)

        // What a call is given later does not count against a reader that goes on reading.
        var liveness = Liveness(settings)
        var pace = ReaderPace()
        var isAbandoned = false
        for sweep in 0..<100 {
            isAbandoned = pace.isAbandoned(taken: sweep * 200, waiting: 1000, liveness)
            #expect(!isAbandoned)
            _ = liveness.sweep()
        }
        // It has not read for four sweeps when the call moves without it: a new time begins.
        for _ in 0..<4 {
            isAbandoned = pace.isAbandoned(taken: 20_000, waiting: 1000, liveness)
            #expect(!isAbandoned)
            _ = liveness.sweep()
        }
        isAbandoned = pace.isAbandoned(taken: 20_000, waiting: 0, liveness)
        #expect(!isAbandoned)
        isAbandoned = pace.isAbandoned(taken: 20_000, waiting: 1000, liveness)
        #expect(!isAbandoned)
    }

    @Test("Events are let through ten a second, and the rest counted")
    func eventGate() {
        let seen = Counter()
        let gate = EventGate { _ in seen.value += 1 }
        for _ in 0..<1000 { gate.report(.connectionRefused(limit: 1)) }
        #expect(seen.value >= 10)
        #expect(seen.value <= 40)
    }

    /// Counts on one thread.
    private final class Counter: @unchecked Sendable {
        var value = 0
    }
}
