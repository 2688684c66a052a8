package import RaftCore

/// What a node requires of a peer before it exchanges a single Raft byte with it (N14, N16).
package struct HandshakeRules: Sendable {
    package var protocolVersions: ClosedRange<UInt16>
    package var clusterID: UInt64
    package var clusterName: String
    package var serverID: ServerID
    /// All members but this server, ascending.
    package var peers: [ServerID]
    package var memberDigest: UInt64
    package var linkTimeoutMilliseconds: UInt64

    package init(
        protocolVersions: ClosedRange<UInt16>, clusterID: UInt64, clusterName: String,
        serverID: ServerID, peers: [ServerID], memberDigest: UInt64,
        linkTimeoutMilliseconds: UInt64
    ) {
        self.protocolVersions = protocolVersions
        self.clusterID = clusterID
        self.clusterName = clusterName
        self.serverID = serverID
        self.peers = peers
        self.memberDigest = memberDigest
        self.linkTimeoutMilliseconds = linkTimeoutMilliseconds
    }

    /// The Hello for a connection to `receiver`.
    package func hello(to receiver: ServerID, kind: ConnectionKind, nonce: UInt64) -> Hello {
        Hello(
            protocolVersions: protocolVersions, clusterID: clusterID, clusterName: clusterName,
            sender: serverID, receiver: receiver, memberDigest: memberDigest, kind: kind,
            linkTimeoutMilliseconds: UInt32(clamping: linkTimeoutMilliseconds), nonce: nonce)
    }

    /// The highest protocol version that both speak, or why this server refuses.
    ///
    /// The order matters to people: a stranger is told that it has the wrong cluster or server
    /// before it is told of smaller differences.
    package func judge(_ hello: Hello) -> Result<UInt16, HandshakeRefusal> {
        let version = min(hello.protocolVersions.upperBound, protocolVersions.upperBound)
        guard protocolVersions.contains(version), hello.protocolVersions.contains(version) else {
            return refuse(
                .noCommonVersion,
                "server \(hello.sender) speaks peer protocol \(hello.protocolVersions), "
                    + "server \(serverID) speaks \(protocolVersions)")
        }
        guard hello.clusterID == clusterID else {
            return refuse(
                .wrongCluster,
                "server \(hello.sender) is of cluster \"\(hello.clusterName)\" "
                    + "(\(hex(hello.clusterID))), server \(serverID) of \"\(clusterName)\" "
                    + "(\(hex(clusterID)))")
        }
        guard hello.receiver == serverID else {
            return refuse(
                .wrongReceiver,
                "server \(hello.sender) wants server \(hello.receiver), this is \(serverID)")
        }
        guard hello.sender != serverID else {
            return refuse(.claimsOwnID, "both sides say they are server \(serverID)")
        }
        guard peers.contains(hello.sender) else {
            return refuse(
                .unknownSender,
                "server \(hello.sender) is no member for server \(serverID), whose peers are "
                    + peers.map(\.description).joined(separator: ", "))
        }
        guard hello.memberDigest == memberDigest else {
            return refuse(
                .memberDigestDiffers,
                "the member lists of server \(hello.sender) (digest \(hex(hello.memberDigest))) "
                    + "and server \(serverID) (\(hex(memberDigest))) differ")
        }
        return .success(version)
    }

    /// Why a Welcome from where `server` should be is not acceptable; nil if it is.
    package func objection(to welcome: Welcome, from server: ServerID, nonce: UInt64) -> String? {
        guard welcome.sender == server else {
            return "server \(welcome.sender) answers at the address of server \(server)"
        }
        guard welcome.echoedNonce == nonce else {
            return "the Welcome answers another Hello than ours"
        }
        guard protocolVersions.contains(welcome.protocolVersion) else {
            return "server \(server) chose peer protocol \(welcome.protocolVersion), "
                + "server \(serverID) speaks \(protocolVersions)"
        }
        return nil
    }

    private func refuse(_ code: HandshakeRefusal.Code, _ text: String) -> Result<
        UInt16, HandshakeRefusal
    > {
        .failure(HandshakeRefusal(code: code, text: text))
    }

    private func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
}

extension HandshakeRefusal: Error {}
