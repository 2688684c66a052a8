package import RaftCore

/// Whose state a data directory holds. A directory is only ever opened by the identity that
/// created it: a server with another server's votes and entries would break every promise (D15).
package struct StorageIdentity: Sendable, Equatable {
    package let clusterName: String
    package let serverID: ServerID
    /// The members in canonical order, one `id=host:port` each.
    package let members: [String]

    package init(clusterName: String, serverID: ServerID, members: [String]) {
        self.clusterName = clusterName
        self.serverID = serverID
        self.members = members
    }
}
