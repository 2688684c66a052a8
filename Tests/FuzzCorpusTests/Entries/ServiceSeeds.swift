import LatchAPI
import SwiftProtobuf

extension ServiceCall {
    /// Calls of each method with all the fields of their requests.
    static var seeds: [[UInt8]] {
        singleSeeds + [
            keepAlive.seed(0, beats), keepAlive.seed(1, beats), keepAlive.seed(2, beats),
            keepAlive.seed(1, Array(repeating: beats[0], count: 40)),
            keepAlive.seed(0, [tooManySessions]), reflect.seed(0, reflections),
        ]
    }

    private func seed(_ option: UInt8, _ message: some SwiftProtobuf.Message) -> [UInt8] {
        [rawValue, option] + Self.bytes(message)
    }

    private func seed(_ option: UInt8, _ parts: [some SwiftProtobuf.Message]) -> [UInt8] {
        [rawValue, option]
            + parts.flatMap { part in
                let bytes = Self.bytes(part)
                return bigEndianBytes(UInt16(bytes.count)) + bytes
            }
    }

    private static func bytes(_ message: some SwiftProtobuf.Message) -> [UInt8] {
        (try? message.serializedBytes()) ?? []
    }

    private static let latch = Latchd_V1_LatchName.with {
        $0.namespace = "apps"
        $0.name = "demo"
    }

    private static func session(_ id: UInt64) -> Latchd_V1_Session {
        .with {
            $0.latch = latch
            $0.id = id
        }
    }

    private static var singleSeeds: [[UInt8]] {
        let join = Latchd_V1_JoinRequest.with {
            $0.session = session(3)
            $0.participant = "beta"
            $0.requestID = 1
            $0.noWait = true
        }
        let leave = Latchd_V1_LeaveRequest.with {
            $0.session = session(3)
            $0.participant = "beta"
            $0.requestID = 2
        }
        let handOver = Latchd_V1_HandOverRequest.with {
            $0.latch = latch
            $0.session = session(3)
            $0.fencingToken = 9
            $0.to = "alpha"
            $0.requestID = 3
        }
        let byOperator = Latchd_V1_HandOverRequest.with {
            $0.latch = latch
            $0.fencingToken = 9
            $0.to = "alpha"
        }
        let publish = Latchd_V1_PublishRequest.with {
            $0.session = session(3)
            $0.fencingToken = 9
            $0.value = "host:1"
            $0.requestID = 4
        }
        let evict = Latchd_V1_EvictRequest.with {
            $0.latch = latch
            $0.participant = "beta"
            $0.sessionID = 3
            $0.fencingToken = 9
        }
        // The option is the cluster's answer: done, no such latch, then why not.
        return [
            closeSession.seed(0, Latchd_V1_CloseSessionRequest.with { $0.session = session(3) }),
            self.join.seed(0, join), self.join.seed(1, join), self.leave.seed(0, leave),
            self.leave.seed(9, leave), self.handOver.seed(0, handOver),
            self.handOver.seed(10, handOver), self.handOver.seed(0, byOperator),
            self.publish.seed(0, publish), self.publish.seed(2, publish),
            self.evict.seed(0, evict), self.evict.seed(10, evict),
        ] + questionSeeds
    }

    private static var questionSeeds: [[UInt8]] {
        let open = Latchd_V1_OpenSessionRequest.with {
            $0.latch = latch
            $0.ttlMs = 5_000
        }
        let observe = Latchd_V1_ObserveRequest.with {
            $0.latch = latch
            $0.afterToken = 4
            $0.afterIndex = 6
            $0.heartbeatMs = 100
        }
        let history = Latchd_V1_HistoryRequest.with {
            $0.latch = latch
            $0.afterToken = 4
        }
        let check = Latchd_V1_CheckTokenRequest.with {
            $0.latch = latch
            $0.fencingToken = 9
        }
        let list = Latchd_V1_ListLatchesRequest.with {
            $0.namespace = "apps"
            $0.prefix = "d"
            $0.pageSize = 3
            $0.pageToken = "4:appsdemo"
        }
        let get = Latchd_V1_GetLatchRequest.with {
            $0.namespace = "apps"
            $0.name = "demo"
            $0.stale = true
        }
        return [
            openSession.seed(0, open), openSession.seed(12, open), self.observe.seed(0, observe),
            self.observe.seed(1, observe), self.history.seed(0, history),
            checkToken.seed(0, check), listLatches.seed(0, list), getLatch.seed(0, get),
        ]
    }

    private static let beats: [Latchd_V1_KeepAliveRequest] = [
        .with {
            $0.sequence = 1
            $0.sessions = [session(3), session(4)]
        },
        .with { $0.sequence = 2 },
        .with {
            $0.sequence = 3
            $0.sessions = [session(5), session(6), session(7)]
        },
    ]

    private static let tooManySessions = Latchd_V1_KeepAliveRequest.with {
        $0.sessions = Array(repeating: Latchd_V1_Session(), count: 1_001)
    }

    private static let reflections: [Grpc_Reflection_V1_ServerReflectionRequest] = [
        .with {
            $0.host = "h"
            $0.listServices = "*"
        },
        .with { $0.fileByFilename = "latchd/v1/cluster.proto" },
        .with { $0.fileContainingSymbol = "latchd.v1.LatchService.Join" },
        .with { $0.allExtensionNumbersOfType = "latchd.v1.Session" },
        .with {
            $0.fileContainingExtension = .with {
                $0.containingType = "latchd.v1.Session"
                $0.extensionNumber = 7
            }
        },
        Grpc_Reflection_V1_ServerReflectionRequest(),
    ]
}
