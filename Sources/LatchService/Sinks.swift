import GRPCEdge
import LatchNode
import NIOCore

/// A unary call that waits for the node. Confined to the call's event loop.
final class UnarySink: ReplySink, @unchecked Sendable {
    private let call: Call
    private let reply: (Call, NodeResult) -> Void

    /// - Parameter reply: translates the result; runs on the call's loop, only while the call is
    ///   open.
    init(_ call: Call, reply: @escaping (Call, NodeResult) -> Void) {
        self.call = call
        self.reply = reply
    }

    var loop: any EventLoop { call.loop }

    func complete(_ result: NodeResult) {
        guard call.isOpen else { return }
        reply(call, result)
    }
}
