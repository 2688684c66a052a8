import GRPCEdge

// `latchd.v1.LatchService` (Docs/ClientAPI.md).
extension LatchService {
    var latchMethods: [Method] {
        let path = "/latchd.v1.LatchService/"
        let keepAlives = OpenKeepAlives(node)
        let observations = ObserveCache()
        return [
            Method(path + "OpenSession", kind: .unary) { openSession($0, $1) },
            Method(path + "KeepAlive", kind: .bidirectional) { call, _ in
                KeepAliveStream(call, node: node, among: keepAlives).start()
            },
            Method(path + "CloseSession", kind: .unary) { closeSession($0, $1) },
            Method(path + "Join", kind: .serverStreaming) { join($0, $1) },
            Method(path + "Leave", kind: .unary) { leave($0, $1) },
            Method(path + "HandOver", kind: .unary) { handOver($0, $1) },
            Method(path + "Publish", kind: .unary) { publish($0, $1) },
            Method(path + "Evict", kind: .unary) { evict($0, $1) },
            Method(path + "Observe", kind: .serverStreaming) { observe($0, $1, observations) },
            Method(path + "History", kind: .unary) { history($0, $1) },
            Method(path + "CheckToken", kind: .unary) { checkToken($0, $1) },
        ]
    }
}
