import BinaryCoding
import LatchMachine
import SeededRandom
import Testing

@Suite("Snapshots and encodings")
struct SnapshotTests {
    /// A state with something of everything.
    static func busyReplica() -> Replica {
        var replica = Replica(incarnation: 7)
        let first = replica.open()
        let second = replica.open(timeout: 9_000)
        _ = replica.open(.other)
        replica.latch(first, 1, "alpha")
        replica.latch(second, 1, "beta")
        replica.events(second, 2, seen: 0)
        replica.events(first, 2)
        replica.latch(first, 4, "held")
        replica.latch(first, 6, "held too")
        replica.apply(.closeGap(first, requestID: 3))
        replica.apply(.leaderElected(graceMilliseconds: 50))
        replica.renew(second, upTo: 2, [StreamAcknowledgement(stream: 2, responseID: 1)])
        replica.events(first, 0)
        replica.time = 900
        replica.apply(
            .handOver(.demo, 0, requestID: 0, fencingToken: 7 << 48 | 4, to: "beta"))
        replica.apply(
            .publish(.demo, second, requestID: 3, fencingToken: 7 << 48 | 14, value: "here"))
        replica.apply(.leave(.demo, first, requestID: 8, participant: "held"))
        replica.apply(.handOver(.demo, first, requestID: 9, fencingToken: 1, to: "beta"))
        replica.apply(.publish(.demo, second, requestID: 5, fencingToken: 1, value: "later"))
        return replica
    }

    @Test("encode, decode, encode is the identity, counters included (I22)")
    func roundTrip() throws {
        let machine = Self.busyReplica().machine
        let bytes = machine.encodeSnapshot()
        let restored = try LatchMachine(snapshot: bytes)
        #expect(restored.encodeSnapshot() == bytes)
        #expect(restored.digest == machine.digest)
        #expect(restored.fullDigest() == machine.fullDigest())
        #expect(restored.lastApplied == machine.lastApplied)
        #expect(restored.incarnation == 7)
        #expect(restored.brokenInvariants() == [])
    }

    @Test("an image keeps the state of its moment while the machine goes on")
    func image() {
        var replica = Self.busyReplica()
        let image = replica.machine.snapshotImage()
        let before = replica.machine.encodeSnapshot()
        _ = replica.open()
        replica.apply(.deletePrimitive(.demo))
        #expect(image.encoded() == before)
        #expect(replica.machine.encodeSnapshot() != before)
    }

    @Test("a snapshot with any byte changed, or cut anywhere, is refused and never traps")
    func damagedSnapshot() {
        let bytes = Self.busyReplica().machine.encodeSnapshot()
        for position in bytes.indices {
            var damaged = bytes
            damaged[position] ^= 0x5A
            #expect(throws: DecodingFailure.self) { try LatchMachine(snapshot: damaged) }
            #expect(throws: DecodingFailure.self) {
                try LatchMachine(snapshot: Array(bytes[..<position]))
            }
        }
    }

    @Test("a hostile snapshot with a right checksum is refused or is a sound state, never a trap")
    func hostileSnapshot() {
        let bytes = Self.busyReplica().machine.encodeSnapshot()
        var generator = SplitMix(seed: 11)
        for position in 0..<(bytes.count - 4) {
            for _ in 0..<4 {
                var damaged = bytes
                damaged[position] =
                    [0, 1, 0x7F, 0xFF, .random(in: 0...255, using: &generator)]
                    .randomElement(using: &generator) ?? 0
                var writer = ByteWriter()
                writer.writeRaw(damaged.dropLast(4))
                writer.write(CRC32C.checksum(Array(damaged.dropLast(4))))
                guard var machine = try? LatchMachine(snapshot: writer.bytes) else { continue }
                exercise(&machine)
            }
        }
    }

    /// Everything that could stumble over a strange state.
    private func exercise(_ machine: inout LatchMachine) {
        guard machine.lastApplied < .max - 20 else { return }
        var outcomes: [Outcome] = []
        for session in 1...3 as ClosedRange<UInt64> {
            for request in [2, 3, 5, 7] as [UInt64] {
                for command: Command in [
                    .openStream(.demo, session, requestID: request, index: 0),
                    .latch(.demo, session, requestID: request, participant: "x"),
                    .leave(.demo, session, requestID: 0, participant: "alpha"),
                    .handOver(
                        .demo, 0, requestID: 0,
                        fencingToken: machine.latchState(.demo)?.fencingToken ?? 0, to: "held"),
                    .publish(
                        .demo, session, requestID: request,
                        fencingToken: machine.latchState(.demo)?.fencingToken ?? 0, value: "x"),
                    .closeGap(session, requestID: .max),
                    .evict(.demo, participant: "beta", session: 0, fencingToken: 0),
                    .renew([
                        Renewal(
                            primitive: .demo, session: session, acknowledgedRequestID: .max,
                            streams: [])
                    ]),
                ] {
                    guard machine.lastApplied < .max - 1 else { return }
                    let record = LogRecord(
                        origin: 0, number: 0, logTimeMilliseconds: .max, command: command)
                    machine.apply(
                        record, at: machine.lastApplied + 1, raftTerm: .max, into: &outcomes)
                }
            }
        }
        _ = machine.expiredSessions(at: .max)
        guard machine.lastApplied < .max else { return }
        let delete = LogRecord(
            origin: 0, number: 0, logTimeMilliseconds: 0, command: .deletePrimitive(.demo))
        machine.apply(delete, at: machine.lastApplied + 1, raftTerm: 1, into: &outcomes)
        _ = machine.encodeSnapshot()
    }

    static let commands: [Command] = [
        .leaderElected(graceMilliseconds: 2_000, incarnation: 5),
        .openSession(.demo, timeoutMilliseconds: 30_000),
        .renew([
            Renewal(
                primitive: .demo, session: 3, acknowledgedRequestID: 4,
                streams: [StreamAcknowledgement(stream: 5, responseID: 6)]),
            Renewal(primitive: .other, session: 9, acknowledgedRequestID: 0, streams: []),
        ]),
        .closeSession(.demo, 1), .deletePrimitive(.other),
        .latch(.demo, 1, requestID: 2, participant: "e\u{301} \u{0} \n."),
        .openStream(.demo, 1, requestID: 2, index: 3), .closeGap(1, requestID: 2),
        .expire([
            Expiry(session: 1, deadlineMilliseconds: 2),
            Expiry(session: 3, deadlineMilliseconds: 4),
        ]),
        .leave(.demo, 1, requestID: 2, participant: "a"),
        .handOver(.demo, 1, requestID: 2, fencingToken: 3, to: "b"),
        .publish(.demo, 1, requestID: 2, fencingToken: 3, value: ""),
        .evict(.demo, participant: "a", session: 1, fencingToken: 2),
    ]

    @Test("every command and record survives its encoding", arguments: commands)
    func commandRoundTrip(_ command: Command) throws {
        let bytes = command.encoded()
        #expect(try Command(decoding: bytes) == command)
        #expect(try Command(decoding: bytes).encoded() == bytes)
        let record = LogRecord(
            origin: 2, number: .max, logTimeMilliseconds: 7, wallTimeMilliseconds: 8,
            command: command)
        #expect(try LogRecord(decoding: record.encoded()) == record)
        let built = LogRecord.encode(
            origin: 2, number: .max, logTimeMilliseconds: 7, wallTimeMilliseconds: 8,
            encodedCommand: bytes)
        #expect(built == record.encoded())
    }

    @Test(
        "a record cut anywhere is refused, one with a byte changed is refused or canonical",
        arguments: commands)
    func damagedRecord(_ command: Command) {
        let bytes = LogRecord(origin: 1, number: 2, logTimeMilliseconds: 3, command: command)
            .encoded()
        for position in bytes.indices {
            #expect(throws: DecodingFailure.self) {
                try LogRecord(decoding: Array(bytes[..<position]))
            }
            for value in [0, 1, 9, 10, 0x7F, 0x80, 0xFF] as [UInt8] {
                var damaged = bytes
                damaged[position] = value
                guard let record = try? LogRecord(decoding: damaged) else { continue }
                #expect(record.encoded() == damaged)
            }
        }
        #expect(throws: DecodingFailure.self) { try LogRecord(decoding: bytes + [0]) }
    }

    @Test("an entry that holds no record moves the index and nothing else")
    func undecodableEntry() {
        var machine = Self.busyReplica().machine
        let digest = machine.digest
        let index = machine.lastApplied + 1
        #expect(throws: DecodingFailure.self) { try LogRecord(decoding: [1, 2, 3]) }
        machine.skip(to: index)
        #expect(machine.lastApplied == index)
        #expect(machine.digest == digest)
    }

    @Test("the digest of a fixed log is a fixed number, in every process and build (I21)")
    func goldenDigest() {
        let machine = Self.busyReplica().machine
        #expect(machine.digest == 15_631_598_634_849_730_982)
        #expect(machine.fullDigest() == 17_989_829_767_600_622_538)
    }
}
