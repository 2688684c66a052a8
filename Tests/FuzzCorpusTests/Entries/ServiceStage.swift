import LatchMachine
import Logging
import NIOCore
import NIOEmbedded
import PeerTransport
import RaftCore
import RaftStorage

@testable import GRPCEdge
@testable import LatchNode
@testable import LatchService

/// One call of a method of the client port, without a socket. The node was never started: what a
/// request asks of it stays in its inbox, and the cluster's answers are made up.
final class ServiceStage {
    let call: Call
    private let loop = EmbeddedEventLoop()
    private let node: LatchNode
    private let connection: Connection
    private let method: Method

    /// - Parameter path: "/package.Service/Method".
    init(_ path: String) throws(FuzzFinding) {
        let member = Member(
            id: ServerID(1), peerHost: "a", peerPort: 1, clientHost: "a", clientPort: 2)
        do {
            node = try LatchNode(
                settings: NodeSettings(server: ServerID(1), members: [member]), disk: NoDisk(),
                recovered: PersistentState(), loop: loop, seed: 1,
                logger: Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() },
                encodeSnapshot: { _ in }, onHalt: { _ in }, links: { _ in NoLinks() })
            let methods = LatchService(node: node, cluster: "c", version: "0").methods
            guard let method = methods.first(where: { $0.path == path }) else {
                throw FuzzFinding("the port has no method \(path)")
            }
            self.method = method
            let shared = EdgeShared(
                methods: [method], settings: EdgeSettings(), events: EventGate { _ in })
            connection = Connection(
                shared: shared, shard: ConnectionShard(loop: loop, shared: shared),
                client: try shared.admitConnection(from: nil))
        } catch {
            throw FuzzFinding("the stage does not stand: \(error)")
        }
        call = Call(streamID: 1, method: method, deadline: nil, connection: connection)
        if method.kind == .bidirectional { deliver([]) }
        loop.run()
    }

    private func deliver(_ message: [UInt8]) {
        message.withUnsafeBytes { method.handler(call, $0) }
    }

    /// A message of the client.
    func send(_ message: [UInt8]) {
        FuzzWork.countRequests()
        guard method.kind == .bidirectional else { return deliver(message) }
        FramedMessage(prefixing: message).bytes.withUnsafeBytes {
            call.receiveMessages($0, connection)
        }
    }

    /// The client of a bidirectional call sends no more.
    func halfClose() { call.requestEnded() }

    /// Five seconds, more than any patience with the cluster.
    func passTime() { loop.advanceTime(by: .seconds(6)) }

    /// What the call has asked of the node since the last time.
    func takeRequests() -> [NodeRequest] {
        loop.run()
        return node.inbox.drain().requests
    }

    /// The messages that the client has not read yet; it reads them.
    func takeMessages() throws(FuzzFinding) -> [[UInt8]] {
        var bytes: [UInt8] = []
        var frame = [UInt8](repeating: 0, count: 1 << 14)
        while call.bufferedBytes > 0 {
            switch frame.withUnsafeMutableBytes({ call.fill($0) }) {
            case .bytes(let count), .last(let count): bytes += frame.prefix(count)
            case .nothing: throw FuzzFinding("queued bytes are not sent")
            }
        }
        connection.writableCalls = []
        call.readerCaughtUp(connection)
        var messages: [[UInt8]] = []
        var reader = InputReader(bytes)
        while !reader.isEmpty {
            let (flag, length) = (reader.byte(), Int(reader.number(UInt32.self)))
            let message = reader.bytes(length)
            guard flag == 0, message.count == length else {
                throw FuzzFinding("an answer is framed wrongly")
            }
            messages.append(message)
        }
        return messages
    }

    /// The client goes away. Nothing of its call stays behind.
    func end() throws(FuzzFinding) {
        call.streamClosed()
        for _ in 0..<20 { passTime() }
        let rest = takeRequests()
        connection.writableCalls = []
        guard rest.allSatisfy({ if case .stopObserving = $0 { true } else { false } }) else {
            throw FuzzFinding("a call that is over asks the node for something")
        }
        guard connection.queuedBytes == 0, call.reservedBytes == 0, call.onCancel == nil else {
            throw FuzzFinding("a call leaves something behind")
        }
    }
}

// MARK: - How a call ends

extension ServiceStage {
    /// The fields that end the call, as a client decodes them; nil while it is open.
    func trailers() throws(FuzzFinding) -> [String: String]? {
        guard !call.isOpen else { return nil }
        switch call.ending {
        case .none: throw FuzzFinding("the call was reset")
        case .ok: return ["grpc-status": "0"]
        case .trailers(let block):
            var found: [String: String] = [:]
            for field in block.fields {
                let name = String(decoding: block.bytes[field.name], as: UTF8.self)
                let value = Array(block.bytes[field.value])
                guard value.allSatisfy({ (0x20...0x7E).contains($0) }),
                    value.count <= HeaderBlock.maximumValueBytes, value.first != 0x20,
                    value.last != 0x20, let text = Self.percentDecoded(value)
                else { throw FuzzFinding("trailer \(name) may not stand on the wire") }
                found[name] = text
            }
            return found
        }
    }

    private static func percentDecoded(_ value: [UInt8]) -> String? {
        var bytes: [UInt8] = []
        var rest = value[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            guard digits.utf8.count == 2, let decoded = UInt8(digits, radix: 16) else {
                return nil
            }
            bytes.append(decoded)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// The call ended with INVALID_ARGUMENT and says why, for programs and for people.
    ///
    /// - Parameter isMessage: whether the request could be decoded; the reason of one that could
    ///   not is gRPC's own status.
    func expectRefusal(isMessage: Bool) throws(FuzzFinding) {
        guard let trailers = try trailers() else {
            throw FuzzFinding("what is to be refused was accepted")
        }
        let message = trailers["grpc-message"] ?? ""
        let isClear =
            isMessage
            ? trailers["latchd-reason"] == "invalid" && trailers["latchd-message"] == message
            : trailers["latchd-reason"] == nil
        guard trailers["grpc-status"] == "3", !message.isEmpty, isClear else {
            throw FuzzFinding("the refusal is not clear: \(trailers)")
        }
    }

    /// The call ended as `failure` says.
    func expect(_ failure: Failure) throws(FuzzFinding) {
        let trailers = try trailers()
        guard let trailers, let status = trailers["grpc-status"], status != "0",
            trailers["latchd-reason"] == failure.reason.rawValue,
            trailers["latchd-message"] == trailers["grpc-message"],
            !(trailers["latchd-message"] ?? "").isEmpty
        else {
            throw FuzzFinding("not \(failure.reason), but \(trailers ?? ["open": ""])")
        }
    }
}

/// Never asked: the node does not run.
private final class NoDisk: NodeDisk {
    func start(
        onPersisted: @escaping @Sendable (PersistID) -> Void,
        onFailure: @escaping @Sendable (StorageFailure) -> Void
    ) {}
    func persist(_ persist: Persist) {}
    func close() {}
}

/// Never asked: the node does not run.
private final class NoLinks: PeerLinks {
    func start() async throws {}
    func shutdown() async {}
    func send(_ frame: PeerFrame, to server: ServerID) -> Bool { false }
    func flush() {}
    func isConnected(_ server: ServerID) -> Bool { false }
}
