import NIOCore
import NIOPosix

/// Ports on 127.0.0.1 that nobody listens on, all different.
package enum FreePorts {
    /// Binds `count` sockets at once, so that they differ, and closes them again.
    package static func take(_ count: Int) async throws -> [Int] {
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        var channels: [any Channel] = []
        for _ in 0..<count {
            channels.append(try await bootstrap.bind(host: "127.0.0.1", port: 0).get())
        }
        let ports = channels.compactMap(\.localAddress?.port)
        for channel in channels { try await channel.close() }
        return ports
    }
}
