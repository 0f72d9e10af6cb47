// @ts-nocheck
import { decodeMessage, encodeMessage, MaxLengthError, message, streamMessage } from 'protons-runtime';
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc';
export var PairRecord;
(function (PairRecord) {
    let _codec;
    PairRecord.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.name != null && obj.name !== '')) {
                    w.uint32(10);
                    w.string(obj.name);
                }
                if ((obj.value != null && obj.value !== '')) {
                    w.uint32(18);
                    w.string(obj.value);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    name: '',
                    value: ''
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.name = reader.string();
                            break;
                        }
                        case 2: {
                            obj.value = reader.string();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.name`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.value`,
                                value: reader.string()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, PairRecord.codec());
    }
    PairRecord.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, PairRecord.codec(), opts);
    }
    PairRecord.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, PairRecord.codec(), opts);
    }
    PairRecord.stream = stream;
})(PairRecord || (PairRecord = {}));
export var StorageRecord;
(function (StorageRecord) {
    let _codec;
    StorageRecord.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.dataId != null && obj.dataId.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.dataId);
                }
                if ((obj.sizeBytes != null && obj.sizeBytes !== 0)) {
                    w.uint32(16);
                    w.uint64Number(obj.sizeBytes);
                }
                if ((obj.packed != null && obj.packed !== false)) {
                    w.uint32(24);
                    w.bool(obj.packed);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    dataId: uint8ArrayAlloc(0),
                    sizeBytes: 0,
                    packed: false
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.dataId = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.sizeBytes = reader.uint64Number();
                            break;
                        }
                        case 3: {
                            obj.packed = reader.bool();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.dataId`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.sizeBytes`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.packed`,
                                value: reader.bool()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, StorageRecord.codec());
    }
    StorageRecord.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, StorageRecord.codec(), opts);
    }
    StorageRecord.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, StorageRecord.codec(), opts);
    }
    StorageRecord.stream = stream;
})(StorageRecord || (StorageRecord = {}));
export var VersionRecord;
(function (VersionRecord) {
    let _codec;
    VersionRecord.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.versionId != null && obj.versionId !== '')) {
                    w.uint32(10);
                    w.string(obj.versionId);
                }
                if ((obj.deleteMarker != null && obj.deleteMarker !== false)) {
                    w.uint32(16);
                    w.bool(obj.deleteMarker);
                }
                if ((obj.sizeBytes != null && obj.sizeBytes !== 0)) {
                    w.uint32(24);
                    w.uint64Number(obj.sizeBytes);
                }
                if ((obj.etag != null && obj.etag !== '')) {
                    w.uint32(34);
                    w.string(obj.etag);
                }
                if ((obj.lastModifiedMs != null && obj.lastModifiedMs !== 0)) {
                    w.uint32(40);
                    w.uint64Number(obj.lastModifiedMs);
                }
                if ((obj.storageClass != null && obj.storageClass !== '')) {
                    w.uint32(50);
                    w.string(obj.storageClass);
                }
                if (obj.system != null && obj.system.length > 0) {
                    for (const value of obj.system) {
                        w.uint32(58);
                        PairRecord.codec().encode(value, w);
                    }
                }
                if (obj.user != null && obj.user.length > 0) {
                    for (const value of obj.user) {
                        w.uint32(66);
                        PairRecord.codec().encode(value, w);
                    }
                }
                if (obj.checksums != null && obj.checksums.length > 0) {
                    for (const value of obj.checksums) {
                        w.uint32(74);
                        PairRecord.codec().encode(value, w);
                    }
                }
                if ((obj.checksumType != null && obj.checksumType !== 0)) {
                    w.uint32(80);
                    w.uint32(obj.checksumType);
                }
                if (obj.storage != null && obj.storage.length > 0) {
                    for (const value of obj.storage) {
                        w.uint32(90);
                        StorageRecord.codec().encode(value, w);
                    }
                }
                if ((obj.manifest != null && obj.manifest.byteLength > 0)) {
                    w.uint32(98);
                    w.bytes(obj.manifest);
                }
                if ((obj.uploadId != null && obj.uploadId.byteLength > 0)) {
                    w.uint32(106);
                    w.bytes(obj.uploadId);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    versionId: '',
                    deleteMarker: false,
                    sizeBytes: 0,
                    etag: '',
                    lastModifiedMs: 0,
                    storageClass: '',
                    system: [],
                    user: [],
                    checksums: [],
                    checksumType: 0,
                    storage: [],
                    manifest: uint8ArrayAlloc(0),
                    uploadId: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.versionId = reader.string();
                            break;
                        }
                        case 2: {
                            obj.deleteMarker = reader.bool();
                            break;
                        }
                        case 3: {
                            obj.sizeBytes = reader.uint64Number();
                            break;
                        }
                        case 4: {
                            obj.etag = reader.string();
                            break;
                        }
                        case 5: {
                            obj.lastModifiedMs = reader.uint64Number();
                            break;
                        }
                        case 6: {
                            obj.storageClass = reader.string();
                            break;
                        }
                        case 7: {
                            if (opts.limits?.system != null && obj.system.length === opts.limits.system) {
                                throw new MaxLengthError('Decode error - repeated field "system" had too many elements');
                            }
                            obj.system.push(PairRecord.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.system$
                            }));
                            break;
                        }
                        case 8: {
                            if (opts.limits?.user != null && obj.user.length === opts.limits.user) {
                                throw new MaxLengthError('Decode error - repeated field "user" had too many elements');
                            }
                            obj.user.push(PairRecord.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.user$
                            }));
                            break;
                        }
                        case 9: {
                            if (opts.limits?.checksums != null && obj.checksums.length === opts.limits.checksums) {
                                throw new MaxLengthError('Decode error - repeated field "checksums" had too many elements');
                            }
                            obj.checksums.push(PairRecord.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.checksums$
                            }));
                            break;
                        }
                        case 10: {
                            obj.checksumType = reader.uint32();
                            break;
                        }
                        case 11: {
                            if (opts.limits?.storage != null && obj.storage.length === opts.limits.storage) {
                                throw new MaxLengthError('Decode error - repeated field "storage" had too many elements');
                            }
                            obj.storage.push(StorageRecord.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.storage$
                            }));
                            break;
                        }
                        case 12: {
                            obj.manifest = reader.bytes();
                            break;
                        }
                        case 13: {
                            obj.uploadId = reader.bytes();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const obj = {
                    system: 0,
                    user: 0,
                    checksums: 0,
                    storage: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.versionId`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.deleteMarker`,
                                value: reader.bool()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.sizeBytes`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.etag`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 5: {
                            yield {
                                field: `${prefix}.lastModifiedMs`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 6: {
                            yield {
                                field: `${prefix}.storageClass`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 7: {
                            if (opts.limits?.system != null && obj.system === opts.limits.system) {
                                throw new MaxLengthError('Streaming decode error - repeated field "system" had too many elements');
                            }
                            for (const evt of PairRecord.codec().stream(reader, reader.uint32(), `${prefix}.system[]`, {
                                limits: opts.limits?.system$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.system
                                };
                            }
                            obj.system++;
                            break;
                        }
                        case 8: {
                            if (opts.limits?.user != null && obj.user === opts.limits.user) {
                                throw new MaxLengthError('Streaming decode error - repeated field "user" had too many elements');
                            }
                            for (const evt of PairRecord.codec().stream(reader, reader.uint32(), `${prefix}.user[]`, {
                                limits: opts.limits?.user$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.user
                                };
                            }
                            obj.user++;
                            break;
                        }
                        case 9: {
                            if (opts.limits?.checksums != null && obj.checksums === opts.limits.checksums) {
                                throw new MaxLengthError('Streaming decode error - repeated field "checksums" had too many elements');
                            }
                            for (const evt of PairRecord.codec().stream(reader, reader.uint32(), `${prefix}.checksums[]`, {
                                limits: opts.limits?.checksums$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.checksums
                                };
                            }
                            obj.checksums++;
                            break;
                        }
                        case 10: {
                            yield {
                                field: `${prefix}.checksumType`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 11: {
                            if (opts.limits?.storage != null && obj.storage === opts.limits.storage) {
                                throw new MaxLengthError('Streaming decode error - repeated field "storage" had too many elements');
                            }
                            for (const evt of StorageRecord.codec().stream(reader, reader.uint32(), `${prefix}.storage[]`, {
                                limits: opts.limits?.storage$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.storage
                                };
                            }
                            obj.storage++;
                            break;
                        }
                        case 12: {
                            yield {
                                field: `${prefix}.manifest`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 13: {
                            yield {
                                field: `${prefix}.uploadId`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, VersionRecord.codec());
    }
    VersionRecord.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, VersionRecord.codec(), opts);
    }
    VersionRecord.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, VersionRecord.codec(), opts);
    }
    VersionRecord.stream = stream;
})(VersionRecord || (VersionRecord = {}));
export var ObjectRecord;
(function (ObjectRecord) {
    let _codec;
    ObjectRecord.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.sequence != null && obj.sequence !== 0)) {
                    w.uint32(8);
                    w.uint64Number(obj.sequence);
                }
                if (obj.versions != null && obj.versions.length > 0) {
                    for (const value of obj.versions) {
                        w.uint32(18);
                        VersionRecord.codec().encode(value, w);
                    }
                }
                if (obj.uploads != null && obj.uploads.length > 0) {
                    for (const value of obj.uploads) {
                        w.uint32(26);
                        w.bytes(value);
                    }
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    sequence: 0,
                    versions: [],
                    uploads: []
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.sequence = reader.uint64Number();
                            break;
                        }
                        case 2: {
                            if (opts.limits?.versions != null && obj.versions.length === opts.limits.versions) {
                                throw new MaxLengthError('Decode error - repeated field "versions" had too many elements');
                            }
                            obj.versions.push(VersionRecord.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.versions$
                            }));
                            break;
                        }
                        case 3: {
                            if (opts.limits?.uploads != null && obj.uploads.length === opts.limits.uploads) {
                                throw new MaxLengthError('Decode error - repeated field "uploads" had too many elements');
                            }
                            obj.uploads.push(reader.bytes());
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const obj = {
                    versions: 0,
                    uploads: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.sequence`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 2: {
                            if (opts.limits?.versions != null && obj.versions === opts.limits.versions) {
                                throw new MaxLengthError('Streaming decode error - repeated field "versions" had too many elements');
                            }
                            for (const evt of VersionRecord.codec().stream(reader, reader.uint32(), `${prefix}.versions[]`, {
                                limits: opts.limits?.versions$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.versions
                                };
                            }
                            obj.versions++;
                            break;
                        }
                        case 3: {
                            if (opts.limits?.uploads != null && obj.uploads === opts.limits.uploads) {
                                throw new MaxLengthError('Streaming decode error - repeated field "uploads" had too many elements');
                            }
                            yield {
                                field: `${prefix}.uploads[]`,
                                index: obj.uploads,
                                value: reader.bytes()
                            };
                            obj.uploads++;
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, ObjectRecord.codec());
    }
    ObjectRecord.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, ObjectRecord.codec(), opts);
    }
    ObjectRecord.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, ObjectRecord.codec(), opts);
    }
    ObjectRecord.stream = stream;
})(ObjectRecord || (ObjectRecord = {}));
export var ManifestRecord;
(function (ManifestRecord) {
    let _codec;
    ManifestRecord.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if (obj.storage != null && obj.storage.length > 0) {
                    for (const value of obj.storage) {
                        w.uint32(10);
                        StorageRecord.codec().encode(value, w);
                    }
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    storage: []
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            if (opts.limits?.storage != null && obj.storage.length === opts.limits.storage) {
                                throw new MaxLengthError('Decode error - repeated field "storage" had too many elements');
                            }
                            obj.storage.push(StorageRecord.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.storage$
                            }));
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const obj = {
                    storage: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            if (opts.limits?.storage != null && obj.storage === opts.limits.storage) {
                                throw new MaxLengthError('Streaming decode error - repeated field "storage" had too many elements');
                            }
                            for (const evt of StorageRecord.codec().stream(reader, reader.uint32(), `${prefix}.storage[]`, {
                                limits: opts.limits?.storage$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.storage
                                };
                            }
                            obj.storage++;
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, ManifestRecord.codec());
    }
    ManifestRecord.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, ManifestRecord.codec(), opts);
    }
    ManifestRecord.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, ManifestRecord.codec(), opts);
    }
    ManifestRecord.stream = stream;
})(ManifestRecord || (ManifestRecord = {}));
export var BucketRecord;
(function (BucketRecord) {
    let _codec;
    BucketRecord.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.name != null && obj.name !== '')) {
                    w.uint32(10);
                    w.string(obj.name);
                }
                if ((obj.incarnation != null && obj.incarnation.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.incarnation);
                }
                if ((obj.generation != null && obj.generation !== 0)) {
                    w.uint32(24);
                    w.uint64Number(obj.generation);
                }
                if ((obj.state != null && obj.state !== 0)) {
                    w.uint32(32);
                    w.uint32(obj.state);
                }
                if ((obj.ownerAccount != null && obj.ownerAccount !== '')) {
                    w.uint32(42);
                    w.string(obj.ownerAccount);
                }
                if ((obj.createdMs != null && obj.createdMs !== 0)) {
                    w.uint32(48);
                    w.uint64Number(obj.createdMs);
                }
                if ((obj.region != null && obj.region !== '')) {
                    w.uint32(58);
                    w.string(obj.region);
                }
                if ((obj.shards != null && obj.shards !== 0)) {
                    w.uint32(64);
                    w.uint32(obj.shards);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    name: '',
                    incarnation: uint8ArrayAlloc(0),
                    generation: 0,
                    state: 0,
                    ownerAccount: '',
                    createdMs: 0,
                    region: '',
                    shards: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.name = reader.string();
                            break;
                        }
                        case 2: {
                            obj.incarnation = reader.bytes();
                            break;
                        }
                        case 3: {
                            obj.generation = reader.uint64Number();
                            break;
                        }
                        case 4: {
                            obj.state = reader.uint32();
                            break;
                        }
                        case 5: {
                            obj.ownerAccount = reader.string();
                            break;
                        }
                        case 6: {
                            obj.createdMs = reader.uint64Number();
                            break;
                        }
                        case 7: {
                            obj.region = reader.string();
                            break;
                        }
                        case 8: {
                            obj.shards = reader.uint32();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.name`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.incarnation`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.generation`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.state`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 5: {
                            yield {
                                field: `${prefix}.ownerAccount`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 6: {
                            yield {
                                field: `${prefix}.createdMs`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 7: {
                            yield {
                                field: `${prefix}.region`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 8: {
                            yield {
                                field: `${prefix}.shards`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, BucketRecord.codec());
    }
    BucketRecord.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, BucketRecord.codec(), opts);
    }
    BucketRecord.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, BucketRecord.codec(), opts);
    }
    BucketRecord.stream = stream;
})(BucketRecord || (BucketRecord = {}));
export var AccountBucketRecord;
(function (AccountBucketRecord) {
    let _codec;
    AccountBucketRecord.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.name != null && obj.name !== '')) {
                    w.uint32(10);
                    w.string(obj.name);
                }
                if ((obj.incarnation != null && obj.incarnation.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.incarnation);
                }
                if ((obj.live != null && obj.live !== false)) {
                    w.uint32(24);
                    w.bool(obj.live);
                }
                if ((obj.createdMs != null && obj.createdMs !== 0)) {
                    w.uint32(32);
                    w.uint64Number(obj.createdMs);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    name: '',
                    incarnation: uint8ArrayAlloc(0),
                    live: false,
                    createdMs: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.name = reader.string();
                            break;
                        }
                        case 2: {
                            obj.incarnation = reader.bytes();
                            break;
                        }
                        case 3: {
                            obj.live = reader.bool();
                            break;
                        }
                        case 4: {
                            obj.createdMs = reader.uint64Number();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.name`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.incarnation`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.live`,
                                value: reader.bool()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.createdMs`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, AccountBucketRecord.codec());
    }
    AccountBucketRecord.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, AccountBucketRecord.codec(), opts);
    }
    AccountBucketRecord.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, AccountBucketRecord.codec(), opts);
    }
    AccountBucketRecord.stream = stream;
})(AccountBucketRecord || (AccountBucketRecord = {}));
export var AccountRecord;
(function (AccountRecord) {
    let _codec;
    AccountRecord.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.accountId != null && obj.accountId !== '')) {
                    w.uint32(10);
                    w.string(obj.accountId);
                }
                if (obj.buckets != null && obj.buckets.length > 0) {
                    for (const value of obj.buckets) {
                        w.uint32(18);
                        AccountBucketRecord.codec().encode(value, w);
                    }
                }
                if ((obj.bucketsMax != null && obj.bucketsMax !== 0)) {
                    w.uint32(24);
                    w.uint32(obj.bucketsMax);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    accountId: '',
                    buckets: [],
                    bucketsMax: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.accountId = reader.string();
                            break;
                        }
                        case 2: {
                            if (opts.limits?.buckets != null && obj.buckets.length === opts.limits.buckets) {
                                throw new MaxLengthError('Decode error - repeated field "buckets" had too many elements');
                            }
                            obj.buckets.push(AccountBucketRecord.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.buckets$
                            }));
                            break;
                        }
                        case 3: {
                            obj.bucketsMax = reader.uint32();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const obj = {
                    buckets: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.accountId`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 2: {
                            if (opts.limits?.buckets != null && obj.buckets === opts.limits.buckets) {
                                throw new MaxLengthError('Streaming decode error - repeated field "buckets" had too many elements');
                            }
                            for (const evt of AccountBucketRecord.codec().stream(reader, reader.uint32(), `${prefix}.buckets[]`, {
                                limits: opts.limits?.buckets$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.buckets
                                };
                            }
                            obj.buckets++;
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.bucketsMax`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, AccountRecord.codec());
    }
    AccountRecord.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, AccountRecord.codec(), opts);
    }
    AccountRecord.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, AccountRecord.codec(), opts);
    }
    AccountRecord.stream = stream;
})(AccountRecord || (AccountRecord = {}));
export var UploadRecord;
(function (UploadRecord) {
    let _codec;
    UploadRecord.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.state != null && obj.state !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.state);
                }
                if ((obj.key != null && obj.key !== '')) {
                    w.uint32(18);
                    w.string(obj.key);
                }
                if ((obj.initiatedMs != null && obj.initiatedMs !== 0)) {
                    w.uint32(24);
                    w.uint64Number(obj.initiatedMs);
                }
                if ((obj.storageClass != null && obj.storageClass !== '')) {
                    w.uint32(34);
                    w.string(obj.storageClass);
                }
                if (obj.system != null && obj.system.length > 0) {
                    for (const value of obj.system) {
                        w.uint32(42);
                        PairRecord.codec().encode(value, w);
                    }
                }
                if (obj.user != null && obj.user.length > 0) {
                    for (const value of obj.user) {
                        w.uint32(50);
                        PairRecord.codec().encode(value, w);
                    }
                }
                if ((obj.checksumAlgorithm != null && obj.checksumAlgorithm !== '')) {
                    w.uint32(58);
                    w.string(obj.checksumAlgorithm);
                }
                if ((obj.checksumType != null && obj.checksumType !== 0)) {
                    w.uint32(64);
                    w.uint32(obj.checksumType);
                }
                if (obj.result != null) {
                    w.uint32(74);
                    VersionRecord.codec().encode(obj.result, w);
                }
                if ((obj.request != null && obj.request.byteLength > 0)) {
                    w.uint32(82);
                    w.bytes(obj.request);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    state: 0,
                    key: '',
                    initiatedMs: 0,
                    storageClass: '',
                    system: [],
                    user: [],
                    checksumAlgorithm: '',
                    checksumType: 0,
                    request: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.state = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.key = reader.string();
                            break;
                        }
                        case 3: {
                            obj.initiatedMs = reader.uint64Number();
                            break;
                        }
                        case 4: {
                            obj.storageClass = reader.string();
                            break;
                        }
                        case 5: {
                            if (opts.limits?.system != null && obj.system.length === opts.limits.system) {
                                throw new MaxLengthError('Decode error - repeated field "system" had too many elements');
                            }
                            obj.system.push(PairRecord.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.system$
                            }));
                            break;
                        }
                        case 6: {
                            if (opts.limits?.user != null && obj.user.length === opts.limits.user) {
                                throw new MaxLengthError('Decode error - repeated field "user" had too many elements');
                            }
                            obj.user.push(PairRecord.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.user$
                            }));
                            break;
                        }
                        case 7: {
                            obj.checksumAlgorithm = reader.string();
                            break;
                        }
                        case 8: {
                            obj.checksumType = reader.uint32();
                            break;
                        }
                        case 9: {
                            obj.result = VersionRecord.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.result
                            });
                            break;
                        }
                        case 10: {
                            obj.request = reader.bytes();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const obj = {
                    system: 0,
                    user: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.state`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.key`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.initiatedMs`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.storageClass`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 5: {
                            if (opts.limits?.system != null && obj.system === opts.limits.system) {
                                throw new MaxLengthError('Streaming decode error - repeated field "system" had too many elements');
                            }
                            for (const evt of PairRecord.codec().stream(reader, reader.uint32(), `${prefix}.system[]`, {
                                limits: opts.limits?.system$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.system
                                };
                            }
                            obj.system++;
                            break;
                        }
                        case 6: {
                            if (opts.limits?.user != null && obj.user === opts.limits.user) {
                                throw new MaxLengthError('Streaming decode error - repeated field "user" had too many elements');
                            }
                            for (const evt of PairRecord.codec().stream(reader, reader.uint32(), `${prefix}.user[]`, {
                                limits: opts.limits?.user$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.user
                                };
                            }
                            obj.user++;
                            break;
                        }
                        case 7: {
                            yield {
                                field: `${prefix}.checksumAlgorithm`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 8: {
                            yield {
                                field: `${prefix}.checksumType`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 9: {
                            yield* VersionRecord.codec().stream(reader, reader.uint32(), `${prefix}.result`, {
                                limits: opts.limits?.result
                            });
                            break;
                        }
                        case 10: {
                            yield {
                                field: `${prefix}.request`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, UploadRecord.codec());
    }
    UploadRecord.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, UploadRecord.codec(), opts);
    }
    UploadRecord.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, UploadRecord.codec(), opts);
    }
    UploadRecord.stream = stream;
})(UploadRecord || (UploadRecord = {}));
export var PartRecord;
(function (PartRecord) {
    let _codec;
    PartRecord.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.partNumber != null && obj.partNumber !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.partNumber);
                }
                if ((obj.sizeBytes != null && obj.sizeBytes !== 0)) {
                    w.uint32(16);
                    w.uint64Number(obj.sizeBytes);
                }
                if ((obj.etag != null && obj.etag !== '')) {
                    w.uint32(26);
                    w.string(obj.etag);
                }
                if ((obj.lastModifiedMs != null && obj.lastModifiedMs !== 0)) {
                    w.uint32(32);
                    w.uint64Number(obj.lastModifiedMs);
                }
                if (obj.checksums != null && obj.checksums.length > 0) {
                    for (const value of obj.checksums) {
                        w.uint32(42);
                        PairRecord.codec().encode(value, w);
                    }
                }
                if (obj.storage != null) {
                    w.uint32(50);
                    StorageRecord.codec().encode(obj.storage, w);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    partNumber: 0,
                    sizeBytes: 0,
                    etag: '',
                    lastModifiedMs: 0,
                    checksums: []
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.partNumber = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.sizeBytes = reader.uint64Number();
                            break;
                        }
                        case 3: {
                            obj.etag = reader.string();
                            break;
                        }
                        case 4: {
                            obj.lastModifiedMs = reader.uint64Number();
                            break;
                        }
                        case 5: {
                            if (opts.limits?.checksums != null && obj.checksums.length === opts.limits.checksums) {
                                throw new MaxLengthError('Decode error - repeated field "checksums" had too many elements');
                            }
                            obj.checksums.push(PairRecord.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.checksums$
                            }));
                            break;
                        }
                        case 6: {
                            obj.storage = StorageRecord.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.storage
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const obj = {
                    checksums: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.partNumber`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.sizeBytes`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.etag`,
                                value: reader.string()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.lastModifiedMs`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 5: {
                            if (opts.limits?.checksums != null && obj.checksums === opts.limits.checksums) {
                                throw new MaxLengthError('Streaming decode error - repeated field "checksums" had too many elements');
                            }
                            for (const evt of PairRecord.codec().stream(reader, reader.uint32(), `${prefix}.checksums[]`, {
                                limits: opts.limits?.checksums$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.checksums
                                };
                            }
                            obj.checksums++;
                            break;
                        }
                        case 6: {
                            yield* StorageRecord.codec().stream(reader, reader.uint32(), `${prefix}.storage`, {
                                limits: opts.limits?.storage
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, PartRecord.codec());
    }
    PartRecord.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, PartRecord.codec(), opts);
    }
    PartRecord.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, PartRecord.codec(), opts);
    }
    PartRecord.stream = stream;
})(PartRecord || (PartRecord = {}));
