import LatchMachine
import LatchNode
import RaftCore
import Testing

@Suite("Incarnations: tokens and sessions after a restore (I14, I15)")
struct IncarnationTests {
    /// A cluster of one, restored from a backup with one session and nothing granted.
    private func stage(incarnation: UInt16, backup stored: UInt16) throws -> NodeStage {
        var machine = LatchMachine(incarnation: stored)
        var outcomes: [Outcome] = []
        let open = LogRecord(
            origin: 0, number: 0, logTimeMilliseconds: 0,
            command: .openSession(.demo, timeoutMilliseconds: 60_000))
        machine.apply(open, at: 1, raftTerm: 1, into: &outcomes)
        var recovered = PersistentState()
        recovered.currentTerm = Term(1)
        recovered.snapshot = Snapshot(
            lastIncludedIndex: LogIndex(1), lastIncludedTerm: Term(1),
            data: machine.encodeSnapshot())
        return try NodeStage(recovered: recovered) { $0.incarnation = incarnation }
    }

    @Test("a node whose configuration is behind its data does not start, and says why")
    func refusesLower() throws {
        let error = #expect(throws: IncarnationTooLow.self) {
            _ = try stage(incarnation: 2, backup: 3)
        }
        #expect(error?.description.contains("incarnation 2, the data is of incarnation 3") == true)
        _ = try stage(incarnation: 3, backup: 3)
    }

    @Test(
        "the first grant after a raise has the new incarnation, also for calls that came early",
        arguments: [(0, 0), (0, 1), (3, 3), (3, 9)] as [(UInt16, UInt16)])
    func raises(stored: UInt16, configured: UInt16) throws {
        let stage = try stage(incarnation: configured, backup: stored)
        stage.node.startOnLoop()
        let session = stage.open()
        let answer = stage.apply(.latch(.demo, session, requestID: 1, participant: "a"))
        guard case .latched(let latch, _)? = answer else {
            Issue.record("no grant: \(String(describing: answer))")
            return
        }
        #expect(latch.holder == "a")
        #expect(latch.fencingToken >> 48 == UInt64(configured))
        #expect(stage.node.machine.incarnation == configured)
    }

    @Test(
        "a raise ends the sessions of the backup, no raise leaves them, whatever was called early",
        arguments: [(3, 3), (3, 9)] as [(UInt16, UInt16)])
    func sessions(stored: UInt16, configured: UInt16) throws {
        let stage = try stage(incarnation: configured, backup: stored)
        stage.node.startOnLoop()
        let answer = stage.apply(
            .latch(.demo, UInt64(stored) << 48 | 1, requestID: 1, participant: "a"))
        if configured > stored {
            #expect(answer == .refused(.unknownSession))
        } else {
            guard case .latched? = answer else {
                Issue.record("the session is gone: \(String(describing: answer))")
                return
            }
        }
    }
}
