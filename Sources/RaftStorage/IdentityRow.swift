import BinaryCoding
import Foundation
import GRDB
import RaftCore

/// The one row that says whose state this is. Written once, when the database is created.
struct IdentityRow {
    let identity: StorageIdentity
    /// Random; the watermark carries the same, so that files of two databases are not mixed up.
    let dataID: [UInt8]

    private var checksum: UInt32 {
        var writer = ByteWriter()
        writer.write("identity")
        writer.write(identity.clusterName)
        writer.write(identity.serverID.rawValue)
        writer.write(joinedMembers)
        writer.writeBlob(dataID)
        return CRC32C.checksum(writer.bytes)
    }

    private var joinedMembers: String { identity.members.joined(separator: "\n") }

    static func randomDataID() -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<Watermark.dataIDBytes).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }

    func insert(into database: Database) throws {
        try database.execute(
            sql: """
                INSERT INTO identity (id, cluster_name, server_id, members, data_id, crc)
                VALUES (1, ?, ?, ?, ?, ?)
                """,
            arguments: [
                identity.clusterName, Int64(identity.serverID.rawValue), joinedMembers,
                Data(dataID), Int64(checksum),
            ])
    }

    static func read(from database: Database, path: String) throws -> IdentityRow {
        let rows = try Row.fetchAll(database, sql: "SELECT * FROM identity")
        guard let row = rows.first, rows.count == 1 else {
            throw StorageFailure.identityRowMissing(path: path)
        }
        let table = "identity"
        guard let server = UInt16(exactly: try row.natural("server_id", path, table)) else {
            throw StorageFailure.wrongType("server_id", path, table)
        }
        let members = try row.text("members", path, table)
        let found = IdentityRow(
            identity: StorageIdentity(
                clusterName: try row.text("cluster_name", path, table), serverID: ServerID(server),
                members: members.isEmpty ? [] : members.components(separatedBy: "\n")),
            dataID: try row.bytes("data_id", path, table))
        guard try row.checksum(path, table) == found.checksum else {
            throw StorageFailure.damagedRow(
                path: path, table: table, row: "1", reason: "the checksum does not match")
        }
        return found
    }

    /// Requires that this is the configured server's own directory (D15, O6).
    func verify(against configured: StorageIdentity, path: String) throws(StorageFailure) {
        guard identity.clusterName == configured.clusterName else {
            throw .foreignCluster(
                path: path, stored: identity.clusterName, configured: configured.clusterName)
        }
        guard identity.serverID == configured.serverID else {
            throw .foreignServer(
                path: path, stored: identity.serverID, configured: configured.serverID)
        }
        guard identity.members == configured.members else {
            throw .membersChanged(
                path: path, stored: identity.members, configured: configured.members)
        }
    }
}
