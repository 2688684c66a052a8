import GRPCEdge
import LatchAPI
import LatchMachine
import LatchNode
import RaftCore
import SwiftProtobuf

// `latchd.v1.Cluster`: what a person or a script asks about the cluster and its latches, without a
// session.
extension LatchService {
    var clusterMethods: [Method] {
        let path = "/latchd.v1.Cluster/"
        return [
            Method(path + "Status", kind: .unary) { status($0, $1) },
            Method(path + "ListLatches", kind: .unary) { listLatches($0, $1) },
            Method(path + "GetLatch", kind: .unary) { getLatch($0, $1) },
        ]
    }

    private func status(_ call: Call, _ bytes: UnsafeRawBufferPointer) {
        guard call.decode(Latchd_V1_StatusRequest.self, from: bytes) != nil else { return }
        let (cluster, version, settings) = (cluster, version, node.settings)
        let sink = UnarySink(call) { call, result in
            guard case .status(let status) = result else {
                return call.fail(result.failure(session: 0))
            }
            call.reply(
                Latchd_V1_StatusResponse.with {
                    $0.cluster = cluster
                    $0.node = Latchd_V1_NodeStatus(
                        status, server: settings.server, version: version)
                    $0.members = settings.members.map { Latchd_V1_MemberStatus($0, status) }
                })
        }
        node.submit(.status(sink))
    }

    private func listLatches(_ call: Call, _ bytes: UnsafeRawBufferPointer) {
        guard let request = call.decode(Latchd_V1_ListLatchesRequest.self, from: bytes) else {
            return
        }
        for (text, field) in [(request.namespace, "namespace"), (request.prefix, "prefix")]
        where text.utf8.count > Limits.nameBytes {
            return call.fail(
                .invalid("\(field) has \(text.utf8.count) bytes, at most \(Limits.nameBytes)"))
        }
        var after: PrimitiveName?
        if !request.pageToken.isEmpty {
            after = PrimitiveName(pageToken: request.pageToken)
            guard after != nil else {
                return call.fail(
                    Failure(
                        reason: .invalid, message: "page_token is not one of ours: start without it"
                    ))
            }
        }
        let size =
            request.pageSize == 0
            ? Self.defaultPageSize : min(Int(request.pageSize), Self.maximumPageSize)
        let query = ReadQuery.list(
            namespace: request.hasNamespace ? request.namespace : nil, prefix: request.prefix,
            after: after,
            // One more than the page tells whether another page follows.
            limit: size + 1)
        let sink = UnarySink(call) { call, result in
            guard case .latches(let rows, let index) = result else {
                return call.fail(result.failure(session: 0))
            }
            let page = rows.prefix(Self.rowsOfPage(rows, atMost: size))
            call.reply(
                Latchd_V1_ListLatchesResponse.with {
                    $0.latches = page.map {
                        Latchd_V1_LatchEntry($0.name, Latchd_V1_LatchState($0.state, owners: []))
                    }
                    $0.index = index
                    if page.count < rows.count, let last = page.last {
                        $0.nextPageToken = last.name.pageToken
                    }
                })
        }
        node.submit(.read(query, sink))
    }

    /// A page ends before its names fill a client's usual limit of 4 MiB; it has one row at least.
    private static func rowsOfPage(_ rows: [ListedLatch], atMost size: Int) -> Int {
        var bytes = 0
        for (position, row) in rows.prefix(size).enumerated() {
            bytes += row.state.participants.reduce(100) { $0 + $1.utf8.count + 4 }
            if bytes > 2 << 20 { return max(position, 1) }
        }
        return min(rows.count, size)
    }

    private static let defaultPageSize = 100
    private static let maximumPageSize = 1_000

    private func getLatch(_ call: Call, _ bytes: UnsafeRawBufferPointer) {
        call.serve(Latchd_V1_GetLatchRequest.self, bytes) { request throws(Failure) in
            try LatchRequest.check(request.namespace, "namespace")
            try LatchRequest.check(request.name, "name")
            let name = PrimitiveName(namespace: request.namespace, name: request.name)
            let sink = UnarySink(call) { Self.replyToGetLatch($0, $1, name) }
            node.submit(request.stale ? .localView(name, sink) : .read(.view(name), sink))
        }
    }

    private static func replyToGetLatch(_ call: Call, _ result: NodeResult, _ name: PrimitiveName) {
        let (found, index, age): (LatchView?, UInt64, UInt64?)
        switch result {
        case .view(let view, let shown): (found, index, age) = (view, shown, nil)
        case .localView(let view, let shown, let old): (found, index, age) = (view, shown, old)
        case .answer, .renewed, .latch, .unknownSession, .latches, .primitives,
            .status, .failed:
            return call.fail(result.failure(about: Subject(name)))
        }
        guard let view = found else { return call.fail(Subject(name).noSuchLatch) }
        call.reply(
            Latchd_V1_GetLatchResponse.with {
                $0.latch = Latchd_V1_LatchEntry(name, Latchd_V1_LatchState(view))
                $0.index = index
                if let age { $0.ageMs = age }
            })
    }
}

extension Latchd_V1_LatchEntry {
    fileprivate init(_ name: PrimitiveName, _ state: Latchd_V1_LatchState) {
        self.init()
        namespace = name.namespace
        self.name = name.name
        self.state = state
    }
}

extension Latchd_V1_NodeStatus {
    fileprivate init(_ status: NodeStatus, server: ServerID, version: String) {
        self.init()
        id = UInt32(server.rawValue)
        self.version = version
        role = Latchd_V1_Role(status.raft.role)
        ready = status.readiness == .ready
        uptimeMs = status.uptimeMilliseconds
        currentTerm = status.raft.currentTerm.rawValue
        leaderID = UInt32(status.raft.leader?.rawValue ?? 0)
        commitIndex = status.raft.commitIndex.rawValue
        lastApplied = status.lastApplied
        lastLogIndex = status.raft.lastLogIndex.rawValue
        snapshotIndex = status.raft.snapshotIndex.rawValue
        sessions = UInt64(status.sessions)
        latches = UInt64(status.primitives)
        stateDigest = status.digest
    }
}

extension Latchd_V1_Role {
    fileprivate init(_ role: Role) {
        switch role {
        case .follower: self = .follower
        case .preCandidate: self = .preCandidate
        case .candidate: self = .candidate
        case .leader: self = .leader
        }
    }
}

extension Latchd_V1_MemberStatus {
    fileprivate init(_ member: Member, _ status: NodeStatus) {
        self.init()
        id = UInt32(member.id.rawValue)
        peerAddress = "\(member.peerHost):\(member.peerPort)"
        clientAddress = "\(member.clientHost):\(member.clientPort)"
        guard let follower = status.raft.followers.first(where: { $0.id == member.id }) else {
            return
        }
        replication = .with {
            $0.matchIndex = follower.matchIndex.rawValue
            $0.nextIndex = follower.nextIndex.rawValue
            $0.lastHeardMs = status.moment.milliseconds(since: follower.lastHeard)
            switch follower.mode {
            case .probe: $0.state = .probe
            case .replicate: $0.state = .replicate
            case .snapshot: $0.state = .snapshot
            }
        }
    }
}
