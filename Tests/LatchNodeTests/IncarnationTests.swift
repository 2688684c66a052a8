import LatchMachine
import LatchNode
import Logging
import NIOCore
import NIOEmbedded
import PeerTransport
import RaftCore
import RaftStorage
import Testing

@Suite("Incarnations: tokens after a restore (I14)")
struct IncarnationTests {
    /// A disk that is never busy.
    private final class InstantDisk: NodeDisk, @unchecked Sendable {
        private var onPersisted: (PersistID) -> Void = { _ in }

        func start(
            onPersisted: @escaping @Sendable (PersistID) -> Void,
            onFailure: @escaping @Sendable (StorageFailure) -> Void
        ) { self.onPersisted = onPersisted }
        func persist(_ persist: Persist) { onPersisted(persist.id) }
        func close() {}
    }

    private final class NoLinks: PeerLinks {
        func start() async throws {}
        func shutdown() async {}
        func send(_ frame: PeerFrame, to server: ServerID) -> Bool { false }
        func flush() {}
        func isConnected(_ server: ServerID) -> Bool { false }
    }

    private final class TokenSink: ReplySink, @unchecked Sendable {
        let loop: any EventLoop
        var latch: LatchState?

        init(loop: any EventLoop) { self.loop = loop }
        func complete(_ result: NodeResult) {
            if case .answer(.latched(let latch, _), _) = result { self.latch = latch }
        }
    }

    private static let name = PrimitiveName(namespace: "app", name: "demo")

    /// A cluster of one, restored from a backup with one session and nothing granted.
    private func node(
        incarnation: UInt16, backup stored: UInt16, on loop: EmbeddedEventLoop
    ) throws -> LatchNode {
        var machine = LatchMachine(incarnation: stored)
        var outcomes: [Outcome] = []
        let open = LogRecord(
            origin: 0, number: 0, logTimeMilliseconds: 0,
            command: .openSession(Self.name, timeoutMilliseconds: 60_000))
        machine.apply(open, at: 1, into: &outcomes)
        var recovered = PersistentState()
        recovered.currentTerm = Term(1)
        recovered.snapshot = Snapshot(
            lastIncludedIndex: LogIndex(1), lastIncludedTerm: Term(1),
            data: machine.encodeSnapshot())
        var settings = NodeSettings(
            server: ServerID(1),
            members: [
                Member(
                    id: ServerID(1), peerHost: "a", peerPort: 1, clientHost: "a", clientPort: 2)
            ])
        settings.incarnation = incarnation
        return try LatchNode(
            settings: settings, disk: InstantDisk(), recovered: recovered, loop: loop, seed: 1,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            encodeSnapshot: { _ in }, onHalt: { Issue.record("halted: \($0)") },
            links: { _ in NoLinks() })
    }

    @Test("a node whose configuration is behind its data does not start, and says why")
    func refusesLower() throws {
        let loop = EmbeddedEventLoop()
        let error = #expect(throws: IncarnationTooLow.self) {
            _ = try node(incarnation: 2, backup: 3, on: loop)
        }
        #expect(error?.description.contains("incarnation 2, the data is of incarnation 3") == true)
        _ = try node(incarnation: 3, backup: 3, on: loop)
    }

    @Test(
        "the first grant after a raise has the new incarnation, also for a call that came early",
        arguments: [(0, 0), (0, 1), (3, 3), (3, 9)] as [(UInt16, UInt16)])
    func raises(stored: UInt16, configured: UInt16) throws {
        let loop = EmbeddedEventLoop()
        let node = try node(incarnation: configured, backup: stored, on: loop)
        let sink = TokenSink(loop: loop)
        node.startOnLoop()
        node.submit(.command(.latch(Self.name, 1, requestID: 1, participant: "a"), sink))
        for _ in 0..<2_000 where sink.latch == nil { loop.advanceTime(by: .milliseconds(1)) }
        let latch = try #require(sink.latch)
        #expect(latch.holder == "a")
        #expect(latch.fencingToken >> 48 == UInt64(configured))
        #expect(node.machine.incarnation == configured)
    }
}
