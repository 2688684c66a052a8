import LatchMachine
import NIOCore
import NIOEmbedded
import PeerTransport
import RaftCore
import Testing

@testable import LatchNode

@Suite("A node that finds an invariant broken (P12, I8)")
struct DivergenceTests {
    private func stage() throws -> NodeStage {
        let stage = try NodeStage(members: 3, mayHalt: true) { $0.digestEveryEntries = 1 }
        stage.node.startOnLoop()
        return stage
    }

    private func hear(_ frame: PeerFrame, from server: UInt16, _ stage: NodeStage) {
        stage.node.handle(.received(frame, from: ServerID(server)))
        stage.node.handle(.batchEnded)
        stage.loop.run()
    }

    /// Server 2 leads term 1 and has committed one more entry.
    private func commit(_ index: UInt64, _ payload: [UInt8]?, _ stage: NodeStage) {
        let record = LogRecord(
            origin: 2, number: index, logTimeMilliseconds: index,
            command: .openSession(.demo, timeoutMilliseconds: 60_000))
        let entry = Entry(
            index: LogIndex(index), term: Term(1), payload: payload ?? record.encoded())
        let append = AppendEntries(
            prevLogIndex: LogIndex(index - 1), prevLogTerm: Term(index == 1 ? 0 : 1),
            entries: [entry], leaderCommit: LogIndex(index), readRound: 0)
        let message = Message(from: ServerID(2), term: Term(1), body: .appendEntries(append))
        hear(.raft(message), from: 2, stage)
    }

    /// Nothing leaves it: no answer to a caller, and it follows its leader no further.
    private func expectSilence(_ stage: NodeStage) {
        let applied = stage.node.machine.lastApplied
        let sink = ResultSink(loop: stage.loop)
        stage.node.submit(.status(sink))
        stage.loop.advanceTime(by: .seconds(20))
        commit(applied + 1, nil, stage)
        #expect(sink.result == nil)
        #expect(stage.node.machine.lastApplied == applied)
        #expect(stage.halts.reasons.count == 1)
    }

    @Test(
        "the odd one of three says why, once, and nothing more; one that differs does not suffice")
    func oddOne() throws {
        let stage = try stage()
        commit(1, nil, stage)
        #expect(stage.node.machine.lastApplied == 1)
        let other = stage.node.machine.digest &+ 1
        hear(.stateDigest(index: LogIndex(1), digest: other), from: 2, stage)
        commit(2, nil, stage)
        #expect(stage.node.machine.lastApplied == 2)
        #expect(stage.halts.reasons == [])
        hear(.stateDigest(index: LogIndex(1), digest: other), from: 3, stage)
        #expect(stage.halts.reasons.first?.contains("a majority has another state") == true)
        expectSilence(stage)
    }

    @Test("a committed entry that is no command ends the node before it applies anything else")
    func undecodable() throws {
        let stage = try stage()
        commit(1, nil, stage)
        commit(2, [1, 2, 3], stage)
        #expect(stage.halts.reasons.first?.contains("entry 2 does not decode") == true)
        #expect(stage.node.machine.lastApplied == 1)
        expectSilence(stage)
    }
}
