import BinaryCoding
import LatchMachine
import RaftCore

@testable import RaftStorage

/// Input: a snapshot without its checksum. What is accepted is a sound state that encodes to the
/// same bytes again (I22), and goes on working.
func fuzzSnapshot(_ input: [UInt8]) throws(FuzzFinding) {
    let bytes = input + bigEndianBytes(CRC32C.checksum(input))
    guard var machine = restored(bytes) else { return }
    // One of version 1 is written anew as version 2, which stands after the eight bytes of magic.
    guard bytes[9] == 1 || machine.encodeSnapshot() == bytes else {
        throw FuzzFinding("a snapshot was accepted that encodes differently (I22)")
    }
    try expectSound(machine, "after a snapshot")
    guard machine.lastApplied < 1 << 62 else { return }
    var outcomes: [Outcome] = []
    for session in [1, 2, 3] as [UInt64] {
        for command in commands(session) {
            let record = LogRecord(
                origin: 1, number: 1, logTimeMilliseconds: machine.logTimeMilliseconds,
                command: command)
            machine.apply(record, at: machine.lastApplied + 1, raftTerm: 1, into: &outcomes)
        }
    }
    _ = machine.expiredSessions(at: .max)
    try expectSound(machine, "after commands on a snapshot")
}

/// Input: log records, each after its length (16 bits). What is accepted encodes to the same bytes
/// again; applied one after the other, they leave a sound state whose snapshot restores to itself.
func fuzzLogRecords(_ input: [UInt8]) throws(FuzzFinding) {
    var reader = InputReader(input)
    var machine = LatchMachine(incarnation: 1)
    var outcomes: [Outcome] = []
    while !reader.isEmpty, machine.lastApplied < 64 {
        let bytes = reader.bytes(Int(reader.number(UInt16.self)))
        let index = machine.lastApplied + 1
        // What is no record is passed over, alike on every server.
        if let record = try? LogRecord(decoding: bytes) {
            // A record of version 1 is not written any more.
            guard bytes[0] == 1 || record.encoded() == bytes else {
                throw FuzzFinding("record \(hex(bytes)) encodes differently")
            }
            machine.apply(record, at: index, raftTerm: 1, into: &outcomes)
        } else {
            machine.skip(to: index)
        }
        guard machine.lastApplied == index else { throw FuzzFinding("entry \(index) got lost") }
        outcomes.removeAll()
    }
    try expectSound(machine, "after records")
    let snapshot = machine.encodeSnapshot()
    guard let again = restored(snapshot) else {
        throw FuzzFinding("a state that the log led to is refused as a snapshot")
    }
    guard again.encodeSnapshot() == snapshot else {
        throw FuzzFinding("the snapshot of a state is another one after it was restored (I22)")
    }
}

/// Input: first index, number of entries less one, and the bytes of a row. What is accepted makes
/// the same row again.
func fuzzLogRun(_ input: [UInt8]) throws(FuzzFinding) {
    var reader = InputReader(input)
    // A column holds 63 bits, and a negative number is refused before.
    let first = reader.number(UInt64.self) >> 1
    let last = first &+ UInt64(reader.number(UInt16.self))
    guard last < 1 << 63 else { return }
    let run = LogRun(
        firstIndex: LogIndex(first), lastIndex: LogIndex(last), bytes: reader.remaining())
    let entries: [Entry]
    do throws(DecodingFailure) {
        entries = try run.entries()
    } catch {
        return
    }
    guard LogRun.runs(of: entries[...], maximumBytes: .max) == [run] else {
        throw FuzzFinding("the entries of a row make another row")
    }
}

private func restored(_ bytes: [UInt8]) -> LatchMachine? {
    do throws(DecodingFailure) {
        return try LatchMachine(snapshot: bytes)
    } catch {
        return nil
    }
}

private func expectSound(_ machine: LatchMachine, _ circumstance: String) throws(FuzzFinding) {
    let broken = machine.brokenInvariants()
    guard broken.isEmpty else {
        throw FuzzFinding("\(circumstance): \(broken.joined(separator: "; "))")
    }
}

// MARK: - Seeds

private let name = PrimitiveName(namespace: "apps", name: "demo")

private func commands(_ session: UInt64) -> [Command] {
    [
        .latch(name, session, requestID: 1, participant: "alpha"),
        .openStream(name, session, requestID: 2, index: 0),
        .latch(name, session, requestID: 4, participant: "held"),
        .closeGap(session, requestID: 3),
        .renew([
            Renewal(
                primitive: name, session: session, acknowledgedRequestID: 2,
                streams: [StreamAcknowledgement(stream: 2, responseID: 1)])
        ]),
    ]
}

private let story: [Command] =
    [
        .leaderElected(graceMilliseconds: 50),
        .openSession(name, timeoutMilliseconds: 1_000),
        .openSession(name, timeoutMilliseconds: 9_000),
        .openSession(PrimitiveName(namespace: "", name: "other"), timeoutMilliseconds: 1_000),
    ] + commands(2) + commands(3) + [
        .handOver(name, 0, requestID: 0, fencingToken: 1 << 48 | 5, to: "held"),
        .evict(name, participant: "held", session: 0, fencingToken: 0),
        .closeSession(name, 2), .openStream(name, 3, requestID: 5, index: 0),
        .latch(name, 3, requestID: 0, participant: "last"),
        .publish(name, 3, requestID: 0, fencingToken: 0, value: "here"),
        .leave(name, 3, requestID: 0, participant: "last"),
    ]

private func record(_ command: Command, at time: UInt64) -> [UInt8] {
    LogRecord(origin: 1, number: 1, logTimeMilliseconds: time, command: command).encoded()
}

let logRecordSeeds: [[UInt8]] = {
    let ends: [Command] = [
        .deletePrimitive(name), .closeSession(name, 3),
        .expire([Expiry(session: 3, deadlineMilliseconds: 9_000)]),
    ]
    return ends.map { end in
        (story + [end]).enumerated().flatMap { number, command in
            let bytes = record(command, at: UInt64(number) * 1_000)
            return bigEndianBytes(UInt16(bytes.count)) + bytes
        }
    }
}()

/// The state after each step of the story.
let snapshotSeeds: [[UInt8]] = {
    var machine = LatchMachine(incarnation: 1)
    var outcomes: [Outcome] = []
    return ([nil] + story.map(Optional.some)).map { command in
        if let command {
            let record = LogRecord(
                origin: 1, number: 1, logTimeMilliseconds: 10, command: command)
            machine.apply(record, at: machine.lastApplied + 1, raftTerm: 1, into: &outcomes)
        }
        return Array(machine.encodeSnapshot().dropLast(4))
    }
}()

let logRunSeeds: [[UInt8]] = {
    [1, 2, 5].map { count in
        let entries = (0..<count).map { number in
            Entry(
                index: LogIndex(UInt64(number) + 7), term: Term(2),
                payload: number == 1 ? [] : record(story[number], at: 5))
        }
        let bytes = LogRun.runs(of: entries[...], maximumBytes: .max).first?.bytes ?? []
        return bigEndianBytes(UInt64(14)) + bigEndianBytes(UInt16(count - 1)) + bytes
    }
}()
