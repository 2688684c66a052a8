package import GRPCEdge
import LatchAPI
import LatchMachine
package import LatchNode

/// The client port: translates gRPC requests into calls of the node and outcomes into replies. It
/// decides nothing.
package struct LatchService: Sendable {
    let node: LatchNode
    let cluster: String
    let version: String

    package init(node: LatchNode, cluster: String, version: String) {
        self.node = node
        self.cluster = cluster
        self.version = version
    }

    /// Every method of the port, by service.
    package var methods: [Method] {
        latchMethods + clusterMethods + atomixLatchMethods + atomixDirectoryMethods + healthMethods
            + reflectionMethods
    }

    /// This node first, then the others as configured.
    var membersFromHere: [Member] {
        let own = node.settings.members.filter { $0.id == node.settings.server }
        return own + node.settings.members.filter { $0.id != node.settings.server }
    }
}
