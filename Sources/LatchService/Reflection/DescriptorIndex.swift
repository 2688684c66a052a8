import LatchAPI
import SwiftProtobuf

/// The .proto files of this server, found by name and by what they declare.
struct DescriptorIndex: Sendable {
    private struct File {
        let name: String
        let bytes: [UInt8]
        let imports: [String]
    }

    private var files: [String: File] = [:]
    /// The file of each symbol: "package.Message.field", for instance.
    private var symbols: [String: String] = [:]
    private var messages: Set<String> = []
    /// Full names of services, ascending.
    private(set) var services: [String] = []

    /// What Protos/generate embedded. It is of our own making, so it decodes: a test looks.
    static let own: DescriptorIndex = {
        let text = descriptorSetBase64
        let bytes = Base64.decode(
            UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
        let set = try? Google_Protobuf_FileDescriptorSet(serializedBytes: bytes ?? [])
        return DescriptorIndex(set ?? Google_Protobuf_FileDescriptorSet())
    }()

    init(_ set: Google_Protobuf_FileDescriptorSet) {
        for file in set.file {
            guard let bytes: [UInt8] = try? file.serializedBytes() else { continue }
            files[file.name] = File(name: file.name, bytes: bytes, imports: file.dependency)
            let scope = file.package.isEmpty ? "" : file.package + "."
            for message in file.messageType { add(message, scope, file.name) }
            for type in file.enumType { add(type, scope, file.name) }
            for service in file.service {
                services.append(scope + service.name)
                symbols[scope + service.name] = file.name
                for method in service.method {
                    symbols["\(scope)\(service.name).\(method.name)"] = file.name
                }
            }
        }
        services.sort()
    }

    private mutating func add(
        _ message: Google_Protobuf_DescriptorProto, _ scope: String, _ file: String
    ) {
        let name = scope + message.name
        symbols[name] = file
        messages.insert(name)
        for field in message.field { symbols["\(name).\(field.name)"] = file }
        for oneof in message.oneofDecl { symbols["\(name).\(oneof.name)"] = file }
        for nested in message.nestedType { add(nested, name + ".", file) }
        for type in message.enumType { add(type, name + ".", file) }
    }

    /// Values of an enum stand beside it, not in it.
    private mutating func add(
        _ type: Google_Protobuf_EnumDescriptorProto, _ scope: String, _ file: String
    ) {
        symbols[scope + type.name] = file
        for value in type.value { symbols[scope + value.name] = file }
    }

    /// The file of this name and all that it imports, serialized; nil if there is none.
    func files(from name: String) -> [[UInt8]]? {
        guard files[name] != nil else { return nil }
        var found: [[UInt8]] = []
        var seen: Set<String> = [name]
        var next = [name]
        while !next.isEmpty {
            guard let file = files[next.removeFirst()] else { continue }
            found.append(file.bytes)
            for name in file.imports where seen.insert(name).inserted { next.append(name) }
        }
        return found
    }

    /// The file that declares this symbol, and all that it imports.
    func files(declaring symbol: String) -> [[UInt8]]? {
        symbols[symbol].flatMap(files(from:))
    }

    func hasMessage(_ name: String) -> Bool { messages.contains(name) }
}
