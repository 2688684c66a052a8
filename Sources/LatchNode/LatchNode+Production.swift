package import Logging
package import NIOCore
import NIOPosix
package import PeerTransport
package import RaftCore
package import RaftStorage

extension LatchNode {
    /// A node on real storage and real sockets; snapshots are encoded on a blocking thread.
    ///
    /// - Throws: as the designated initializer.
    package convenience init(
        settings: NodeSettings, storage: RaftStorage, recovered: PersistentState,
        transport configuration: PeerTransport.Configuration, loop: any EventLoop, seed: UInt64,
        logger: Logger,
        onHalt: @escaping @Sendable (HaltReason) -> Void
    ) throws {
        try self.init(
            settings: settings, disk: storage, recovered: recovered, loop: loop, seed: seed,
            logger: logger,
            encodeSnapshot: { work in
                NIOSingletons.posixBlockingThreadPool.submit { _ in work() }
            },
            onHalt: onHalt,
            links: { PeerTransport(configuration: configuration, loop: loop, onEvent: $0) })
    }
}
