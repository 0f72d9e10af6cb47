// @ts-nocheck
import { decodeMessage, encodeMessage, MaxLengthError, message, streamMessage } from 'protons-runtime';
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc';
export var WireBallot;
(function (WireBallot) {
    let _codec;
    WireBallot.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.counter != null && obj.counter !== 0)) {
                    w.uint32(8);
                    w.uint64Number(obj.counter);
                }
                if ((obj.proposer != null && obj.proposer.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.proposer);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    counter: 0,
                    proposer: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.counter = reader.uint64Number();
                            break;
                        }
                        case 2: {
                            obj.proposer = reader.bytes();
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
                                field: `${prefix}.counter`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.proposer`,
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
        return encodeMessage(obj, WireBallot.codec());
    }
    WireBallot.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireBallot.codec(), opts);
    }
    WireBallot.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireBallot.codec(), opts);
    }
    WireBallot.stream = stream;
})(WireBallot || (WireBallot = {}));
export var WireRegisterRequest;
(function (WireRegisterRequest) {
    let _codec;
    WireRegisterRequest.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.key != null && obj.key.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.key);
                }
                if ((obj.epoch != null && obj.epoch !== 0)) {
                    w.uint32(16);
                    w.uint64Number(obj.epoch);
                }
                if ((obj.fenceBucket != null && obj.fenceBucket.byteLength > 0)) {
                    w.uint32(26);
                    w.bytes(obj.fenceBucket);
                }
                if ((obj.fenceGeneration != null && obj.fenceGeneration !== 0)) {
                    w.uint32(32);
                    w.uint64Number(obj.fenceGeneration);
                }
                if (obj.ballot != null) {
                    w.uint32(42);
                    WireBallot.codec().encode(obj.ballot, w);
                }
                if ((obj.state != null && obj.state.byteLength > 0)) {
                    w.uint32(50);
                    w.bytes(obj.state);
                }
                if (obj.next != null) {
                    w.uint32(58);
                    WireBallot.codec().encode(obj.next, w);
                }
                if ((obj.want != null && obj.want !== 0)) {
                    w.uint32(64);
                    w.uint32(obj.want);
                }
                if ((obj.payloadKey != null && obj.payloadKey.byteLength > 0)) {
                    w.uint32(74);
                    w.bytes(obj.payloadKey);
                }
                if ((obj.kind != null && obj.kind !== 0)) {
                    w.uint32(80);
                    w.uint32(obj.kind);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    key: uint8ArrayAlloc(0),
                    epoch: 0,
                    fenceBucket: uint8ArrayAlloc(0),
                    fenceGeneration: 0,
                    state: uint8ArrayAlloc(0),
                    want: 0,
                    payloadKey: uint8ArrayAlloc(0),
                    kind: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.key = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.epoch = reader.uint64Number();
                            break;
                        }
                        case 3: {
                            obj.fenceBucket = reader.bytes();
                            break;
                        }
                        case 4: {
                            obj.fenceGeneration = reader.uint64Number();
                            break;
                        }
                        case 5: {
                            obj.ballot = WireBallot.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.ballot
                            });
                            break;
                        }
                        case 6: {
                            obj.state = reader.bytes();
                            break;
                        }
                        case 7: {
                            obj.next = WireBallot.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.next
                            });
                            break;
                        }
                        case 8: {
                            obj.want = reader.uint32();
                            break;
                        }
                        case 9: {
                            obj.payloadKey = reader.bytes();
                            break;
                        }
                        case 10: {
                            obj.kind = reader.uint32();
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
                                field: `${prefix}.key`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.epoch`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.fenceBucket`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.fenceGeneration`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 5: {
                            yield* WireBallot.codec().stream(reader, reader.uint32(), `${prefix}.ballot`, {
                                limits: opts.limits?.ballot
                            });
                            break;
                        }
                        case 6: {
                            yield {
                                field: `${prefix}.state`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 7: {
                            yield* WireBallot.codec().stream(reader, reader.uint32(), `${prefix}.next`, {
                                limits: opts.limits?.next
                            });
                            break;
                        }
                        case 8: {
                            yield {
                                field: `${prefix}.want`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 9: {
                            yield {
                                field: `${prefix}.payloadKey`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 10: {
                            yield {
                                field: `${prefix}.kind`,
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
        return encodeMessage(obj, WireRegisterRequest.codec());
    }
    WireRegisterRequest.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireRegisterRequest.codec(), opts);
    }
    WireRegisterRequest.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireRegisterRequest.codec(), opts);
    }
    WireRegisterRequest.stream = stream;
})(WireRegisterRequest || (WireRegisterRequest = {}));
export var WireRegisterReply;
(function (WireRegisterReply) {
    let _codec;
    WireRegisterReply.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.kind != null && obj.kind !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.kind);
                }
                if (obj.ballot != null) {
                    w.uint32(18);
                    WireBallot.codec().encode(obj.ballot, w);
                }
                if ((obj.state != null && obj.state.byteLength > 0)) {
                    w.uint32(26);
                    w.bytes(obj.state);
                }
                if ((obj.epoch != null && obj.epoch !== 0)) {
                    w.uint32(32);
                    w.uint64Number(obj.epoch);
                }
                if ((obj.generation != null && obj.generation !== 0)) {
                    w.uint32(40);
                    w.uint64Number(obj.generation);
                }
                if (obj.blocks != null && obj.blocks.length > 0) {
                    for (const value of obj.blocks) {
                        w.uint32(50);
                        w.bytes(value);
                    }
                }
                if ((obj.reason != null && obj.reason !== 0)) {
                    w.uint32(56);
                    w.uint32(obj.reason);
                }
                if ((obj.payloadKey != null && obj.payloadKey.byteLength > 0)) {
                    w.uint32(66);
                    w.bytes(obj.payloadKey);
                }
                if ((obj.absent != null && obj.absent !== false)) {
                    w.uint32(72);
                    w.bool(obj.absent);
                }
                if ((obj.never != null && obj.never !== false)) {
                    w.uint32(80);
                    w.bool(obj.never);
                }
                if (obj.floor != null) {
                    w.uint32(90);
                    WireBallot.codec().encode(obj.floor, w);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    kind: 0,
                    state: uint8ArrayAlloc(0),
                    epoch: 0,
                    generation: 0,
                    blocks: [],
                    reason: 0,
                    payloadKey: uint8ArrayAlloc(0),
                    absent: false,
                    never: false
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.kind = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.ballot = WireBallot.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.ballot
                            });
                            break;
                        }
                        case 3: {
                            obj.state = reader.bytes();
                            break;
                        }
                        case 4: {
                            obj.epoch = reader.uint64Number();
                            break;
                        }
                        case 5: {
                            obj.generation = reader.uint64Number();
                            break;
                        }
                        case 6: {
                            if (opts.limits?.blocks != null && obj.blocks.length === opts.limits.blocks) {
                                throw new MaxLengthError('Decode error - repeated field "blocks" had too many elements');
                            }
                            obj.blocks.push(reader.bytes());
                            break;
                        }
                        case 7: {
                            obj.reason = reader.uint32();
                            break;
                        }
                        case 8: {
                            obj.payloadKey = reader.bytes();
                            break;
                        }
                        case 9: {
                            obj.absent = reader.bool();
                            break;
                        }
                        case 10: {
                            obj.never = reader.bool();
                            break;
                        }
                        case 11: {
                            obj.floor = WireBallot.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.floor
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
                    blocks: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.kind`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 2: {
                            yield* WireBallot.codec().stream(reader, reader.uint32(), `${prefix}.ballot`, {
                                limits: opts.limits?.ballot
                            });
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.state`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.epoch`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 5: {
                            yield {
                                field: `${prefix}.generation`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 6: {
                            if (opts.limits?.blocks != null && obj.blocks === opts.limits.blocks) {
                                throw new MaxLengthError('Streaming decode error - repeated field "blocks" had too many elements');
                            }
                            yield {
                                field: `${prefix}.blocks[]`,
                                index: obj.blocks,
                                value: reader.bytes()
                            };
                            obj.blocks++;
                            break;
                        }
                        case 7: {
                            yield {
                                field: `${prefix}.reason`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 8: {
                            yield {
                                field: `${prefix}.payloadKey`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 9: {
                            yield {
                                field: `${prefix}.absent`,
                                value: reader.bool()
                            };
                            break;
                        }
                        case 10: {
                            yield {
                                field: `${prefix}.never`,
                                value: reader.bool()
                            };
                            break;
                        }
                        case 11: {
                            yield* WireBallot.codec().stream(reader, reader.uint32(), `${prefix}.floor`, {
                                limits: opts.limits?.floor
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
        return encodeMessage(obj, WireRegisterReply.codec());
    }
    WireRegisterReply.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireRegisterReply.codec(), opts);
    }
    WireRegisterReply.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireRegisterReply.codec(), opts);
    }
    WireRegisterReply.stream = stream;
})(WireRegisterReply || (WireRegisterReply = {}));
export var WireBlockRequest;
(function (WireBlockRequest) {
    let _codec;
    WireBlockRequest.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.key != null && obj.key.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.key);
                }
                if ((obj.epoch != null && obj.epoch !== 0)) {
                    w.uint32(16);
                    w.uint64Number(obj.epoch);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    key: uint8ArrayAlloc(0),
                    epoch: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.key = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.epoch = reader.uint64Number();
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
                                field: `${prefix}.key`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.epoch`,
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
        return encodeMessage(obj, WireBlockRequest.codec());
    }
    WireBlockRequest.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireBlockRequest.codec(), opts);
    }
    WireBlockRequest.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireBlockRequest.codec(), opts);
    }
    WireBlockRequest.stream = stream;
})(WireBlockRequest || (WireBlockRequest = {}));
export var WireBlockReply;
(function (WireBlockReply) {
    let _codec;
    WireBlockReply.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.result != null && obj.result !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.result);
                }
                if ((obj.epoch != null && obj.epoch !== 0)) {
                    w.uint32(16);
                    w.uint64Number(obj.epoch);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    result: 0,
                    epoch: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.result = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.epoch = reader.uint64Number();
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
                                field: `${prefix}.result`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.epoch`,
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
        return encodeMessage(obj, WireBlockReply.codec());
    }
    WireBlockReply.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireBlockReply.codec(), opts);
    }
    WireBlockReply.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireBlockReply.codec(), opts);
    }
    WireBlockReply.stream = stream;
})(WireBlockReply || (WireBlockReply = {}));
export var WireInterval;
(function (WireInterval) {
    let _codec;
    WireInterval.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.start != null && obj.start.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.start);
                }
                if ((obj.end != null && obj.end.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.end);
                }
                if ((obj.digestOnly != null && obj.digestOnly !== false)) {
                    w.uint32(24);
                    w.bool(obj.digestOnly);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    start: uint8ArrayAlloc(0),
                    end: uint8ArrayAlloc(0),
                    digestOnly: false
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.start = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.end = reader.bytes();
                            break;
                        }
                        case 3: {
                            obj.digestOnly = reader.bool();
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
                                field: `${prefix}.start`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.end`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.digestOnly`,
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
        return encodeMessage(obj, WireInterval.codec());
    }
    WireInterval.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireInterval.codec(), opts);
    }
    WireInterval.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireInterval.codec(), opts);
    }
    WireInterval.stream = stream;
})(WireInterval || (WireInterval = {}));
export var WireListRequest;
(function (WireListRequest) {
    let _codec;
    WireListRequest.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.epoch != null && obj.epoch !== 0)) {
                    w.uint32(8);
                    w.uint64Number(obj.epoch);
                }
                if ((obj.fenceBucket != null && obj.fenceBucket.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.fenceBucket);
                }
                if ((obj.fenceGeneration != null && obj.fenceGeneration !== 0)) {
                    w.uint32(24);
                    w.uint64Number(obj.fenceGeneration);
                }
                if ((obj.limit != null && obj.limit !== 0)) {
                    w.uint32(32);
                    w.uint32(obj.limit);
                }
                if (obj.intervals != null && obj.intervals.length > 0) {
                    for (const value of obj.intervals) {
                        w.uint32(42);
                        WireInterval.codec().encode(value, w);
                    }
                }
                if ((obj.alone != null && obj.alone !== false)) {
                    w.uint32(48);
                    w.bool(obj.alone);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    epoch: 0,
                    fenceBucket: uint8ArrayAlloc(0),
                    fenceGeneration: 0,
                    limit: 0,
                    intervals: [],
                    alone: false
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.epoch = reader.uint64Number();
                            break;
                        }
                        case 2: {
                            obj.fenceBucket = reader.bytes();
                            break;
                        }
                        case 3: {
                            obj.fenceGeneration = reader.uint64Number();
                            break;
                        }
                        case 4: {
                            obj.limit = reader.uint32();
                            break;
                        }
                        case 5: {
                            if (opts.limits?.intervals != null && obj.intervals.length === opts.limits.intervals) {
                                throw new MaxLengthError('Decode error - repeated field "intervals" had too many elements');
                            }
                            obj.intervals.push(WireInterval.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.intervals$
                            }));
                            break;
                        }
                        case 6: {
                            obj.alone = reader.bool();
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
                    intervals: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.epoch`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.fenceBucket`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.fenceGeneration`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.limit`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 5: {
                            if (opts.limits?.intervals != null && obj.intervals === opts.limits.intervals) {
                                throw new MaxLengthError('Streaming decode error - repeated field "intervals" had too many elements');
                            }
                            for (const evt of WireInterval.codec().stream(reader, reader.uint32(), `${prefix}.intervals[]`, {
                                limits: opts.limits?.intervals$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.intervals
                                };
                            }
                            obj.intervals++;
                            break;
                        }
                        case 6: {
                            yield {
                                field: `${prefix}.alone`,
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
        return encodeMessage(obj, WireListRequest.codec());
    }
    WireListRequest.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireListRequest.codec(), opts);
    }
    WireListRequest.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireListRequest.codec(), opts);
    }
    WireListRequest.stream = stream;
})(WireListRequest || (WireListRequest = {}));
export var WireRow;
(function (WireRow) {
    let _codec;
    WireRow.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.key != null && obj.key.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.key);
                }
                if ((obj.state != null && obj.state.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.state);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    key: uint8ArrayAlloc(0),
                    state: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.key = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.state = reader.bytes();
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
                                field: `${prefix}.key`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.state`,
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
        return encodeMessage(obj, WireRow.codec());
    }
    WireRow.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireRow.codec(), opts);
    }
    WireRow.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireRow.codec(), opts);
    }
    WireRow.stream = stream;
})(WireRow || (WireRow = {}));
export var WireIntervalReply;
(function (WireIntervalReply) {
    let _codec;
    WireIntervalReply.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if (obj.rows != null && obj.rows.length > 0) {
                    for (const value of obj.rows) {
                        w.uint32(10);
                        WireRow.codec().encode(value, w);
                    }
                }
                if ((obj.digest != null && obj.digest.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.digest);
                }
                if ((obj.coveredEnd != null && obj.coveredEnd.byteLength > 0)) {
                    w.uint32(26);
                    w.bytes(obj.coveredEnd);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    rows: [],
                    digest: uint8ArrayAlloc(0),
                    coveredEnd: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            if (opts.limits?.rows != null && obj.rows.length === opts.limits.rows) {
                                throw new MaxLengthError('Decode error - repeated field "rows" had too many elements');
                            }
                            obj.rows.push(WireRow.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.rows$
                            }));
                            break;
                        }
                        case 2: {
                            obj.digest = reader.bytes();
                            break;
                        }
                        case 3: {
                            obj.coveredEnd = reader.bytes();
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
                    rows: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            if (opts.limits?.rows != null && obj.rows === opts.limits.rows) {
                                throw new MaxLengthError('Streaming decode error - repeated field "rows" had too many elements');
                            }
                            for (const evt of WireRow.codec().stream(reader, reader.uint32(), `${prefix}.rows[]`, {
                                limits: opts.limits?.rows$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.rows
                                };
                            }
                            obj.rows++;
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.digest`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.coveredEnd`,
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
        return encodeMessage(obj, WireIntervalReply.codec());
    }
    WireIntervalReply.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireIntervalReply.codec(), opts);
    }
    WireIntervalReply.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireIntervalReply.codec(), opts);
    }
    WireIntervalReply.stream = stream;
})(WireIntervalReply || (WireIntervalReply = {}));
export var WireListReply;
(function (WireListReply) {
    let _codec;
    WireListReply.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.kind != null && obj.kind !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.kind);
                }
                if ((obj.epoch != null && obj.epoch !== 0)) {
                    w.uint32(16);
                    w.uint64Number(obj.epoch);
                }
                if ((obj.generation != null && obj.generation !== 0)) {
                    w.uint32(24);
                    w.uint64Number(obj.generation);
                }
                if (obj.intervals != null && obj.intervals.length > 0) {
                    for (const value of obj.intervals) {
                        w.uint32(34);
                        WireIntervalReply.codec().encode(value, w);
                    }
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    kind: 0,
                    epoch: 0,
                    generation: 0,
                    intervals: []
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.kind = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.epoch = reader.uint64Number();
                            break;
                        }
                        case 3: {
                            obj.generation = reader.uint64Number();
                            break;
                        }
                        case 4: {
                            if (opts.limits?.intervals != null && obj.intervals.length === opts.limits.intervals) {
                                throw new MaxLengthError('Decode error - repeated field "intervals" had too many elements');
                            }
                            obj.intervals.push(WireIntervalReply.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.intervals$
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
                    intervals: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.kind`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.epoch`,
                                value: reader.uint64Number()
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
                            if (opts.limits?.intervals != null && obj.intervals === opts.limits.intervals) {
                                throw new MaxLengthError('Streaming decode error - repeated field "intervals" had too many elements');
                            }
                            for (const evt of WireIntervalReply.codec().stream(reader, reader.uint32(), `${prefix}.intervals[]`, {
                                limits: opts.limits?.intervals$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.intervals
                                };
                            }
                            obj.intervals++;
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
        return encodeMessage(obj, WireListReply.codec());
    }
    WireListReply.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireListReply.codec(), opts);
    }
    WireListReply.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireListReply.codec(), opts);
    }
    WireListReply.stream = stream;
})(WireListReply || (WireListReply = {}));
export var WireRaiseRequest;
(function (WireRaiseRequest) {
    let _codec;
    WireRaiseRequest.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.epoch != null && obj.epoch !== 0)) {
                    w.uint32(8);
                    w.uint64Number(obj.epoch);
                }
                if ((obj.bucket != null && obj.bucket.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.bucket);
                }
                if ((obj.generation != null && obj.generation !== 0)) {
                    w.uint32(24);
                    w.uint64Number(obj.generation);
                }
                if (obj.partitions != null && obj.partitions.length > 0) {
                    for (const value of obj.partitions) {
                        w.uint32(32);
                        w.uint32(value);
                    }
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    epoch: 0,
                    bucket: uint8ArrayAlloc(0),
                    generation: 0,
                    partitions: []
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.epoch = reader.uint64Number();
                            break;
                        }
                        case 2: {
                            obj.bucket = reader.bytes();
                            break;
                        }
                        case 3: {
                            obj.generation = reader.uint64Number();
                            break;
                        }
                        case 4: {
                            if (opts.limits?.partitions != null && obj.partitions.length === opts.limits.partitions) {
                                throw new MaxLengthError('Decode error - repeated field "partitions" had too many elements');
                            }
                            obj.partitions.push(reader.uint32());
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
                    partitions: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.epoch`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.bucket`,
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
                            if (opts.limits?.partitions != null && obj.partitions === opts.limits.partitions) {
                                throw new MaxLengthError('Streaming decode error - repeated field "partitions" had too many elements');
                            }
                            yield {
                                field: `${prefix}.partitions[]`,
                                index: obj.partitions,
                                value: reader.uint32()
                            };
                            obj.partitions++;
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
        return encodeMessage(obj, WireRaiseRequest.codec());
    }
    WireRaiseRequest.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireRaiseRequest.codec(), opts);
    }
    WireRaiseRequest.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireRaiseRequest.codec(), opts);
    }
    WireRaiseRequest.stream = stream;
})(WireRaiseRequest || (WireRaiseRequest = {}));
export var WireRaiseReply;
(function (WireRaiseReply) {
    let _codec;
    WireRaiseReply.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.result != null && obj.result !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.result);
                }
                if ((obj.epoch != null && obj.epoch !== 0)) {
                    w.uint32(16);
                    w.uint64Number(obj.epoch);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    result: 0,
                    epoch: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.result = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.epoch = reader.uint64Number();
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
                                field: `${prefix}.result`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.epoch`,
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
        return encodeMessage(obj, WireRaiseReply.codec());
    }
    WireRaiseReply.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireRaiseReply.codec(), opts);
    }
    WireRaiseReply.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireRaiseReply.codec(), opts);
    }
    WireRaiseReply.stream = stream;
})(WireRaiseReply || (WireRaiseReply = {}));
export var WireDigestRequest;
(function (WireDigestRequest) {
    let _codec;
    WireDigestRequest.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.epoch != null && obj.epoch !== 0)) {
                    w.uint32(8);
                    w.uint64Number(obj.epoch);
                }
                if ((obj.level != null && obj.level !== 0)) {
                    w.uint32(16);
                    w.uint32(obj.level);
                }
                if (obj.groups != null && obj.groups.length > 0) {
                    for (const value of obj.groups) {
                        w.uint32(24);
                        w.uint32(value);
                    }
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    epoch: 0,
                    level: 0,
                    groups: []
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.epoch = reader.uint64Number();
                            break;
                        }
                        case 2: {
                            obj.level = reader.uint32();
                            break;
                        }
                        case 3: {
                            if (opts.limits?.groups != null && obj.groups.length === opts.limits.groups) {
                                throw new MaxLengthError('Decode error - repeated field "groups" had too many elements');
                            }
                            obj.groups.push(reader.uint32());
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
                    groups: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.epoch`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.level`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 3: {
                            if (opts.limits?.groups != null && obj.groups === opts.limits.groups) {
                                throw new MaxLengthError('Streaming decode error - repeated field "groups" had too many elements');
                            }
                            yield {
                                field: `${prefix}.groups[]`,
                                index: obj.groups,
                                value: reader.uint32()
                            };
                            obj.groups++;
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
        return encodeMessage(obj, WireDigestRequest.codec());
    }
    WireDigestRequest.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireDigestRequest.codec(), opts);
    }
    WireDigestRequest.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireDigestRequest.codec(), opts);
    }
    WireDigestRequest.stream = stream;
})(WireDigestRequest || (WireDigestRequest = {}));
export var WireDigestReply;
(function (WireDigestReply) {
    let _codec;
    WireDigestReply.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.epoch != null && obj.epoch !== 0)) {
                    w.uint32(8);
                    w.uint64Number(obj.epoch);
                }
                if ((obj.digests != null && obj.digests.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.digests);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    epoch: 0,
                    digests: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.epoch = reader.uint64Number();
                            break;
                        }
                        case 2: {
                            obj.digests = reader.bytes();
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
                                field: `${prefix}.epoch`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.digests`,
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
        return encodeMessage(obj, WireDigestReply.codec());
    }
    WireDigestReply.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireDigestReply.codec(), opts);
    }
    WireDigestReply.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireDigestReply.codec(), opts);
    }
    WireDigestReply.stream = stream;
})(WireDigestReply || (WireDigestReply = {}));
export var WireEnumerateRequest;
(function (WireEnumerateRequest) {
    let _codec;
    WireEnumerateRequest.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.epoch != null && obj.epoch !== 0)) {
                    w.uint32(8);
                    w.uint64Number(obj.epoch);
                }
                if ((obj.partition != null && obj.partition !== 0)) {
                    w.uint32(16);
                    w.uint32(obj.partition);
                }
                if ((obj.what != null && obj.what !== 0)) {
                    w.uint32(24);
                    w.uint32(obj.what);
                }
                if ((obj.after != null && obj.after.byteLength > 0)) {
                    w.uint32(34);
                    w.bytes(obj.after);
                }
                if ((obj.limit != null && obj.limit !== 0)) {
                    w.uint32(40);
                    w.uint32(obj.limit);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    epoch: 0,
                    partition: 0,
                    what: 0,
                    after: uint8ArrayAlloc(0),
                    limit: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.epoch = reader.uint64Number();
                            break;
                        }
                        case 2: {
                            obj.partition = reader.uint32();
                            break;
                        }
                        case 3: {
                            obj.what = reader.uint32();
                            break;
                        }
                        case 4: {
                            obj.after = reader.bytes();
                            break;
                        }
                        case 5: {
                            obj.limit = reader.uint32();
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
                                field: `${prefix}.epoch`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.partition`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.what`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.after`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 5: {
                            yield {
                                field: `${prefix}.limit`,
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
        return encodeMessage(obj, WireEnumerateRequest.codec());
    }
    WireEnumerateRequest.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireEnumerateRequest.codec(), opts);
    }
    WireEnumerateRequest.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireEnumerateRequest.codec(), opts);
    }
    WireEnumerateRequest.stream = stream;
})(WireEnumerateRequest || (WireEnumerateRequest = {}));
export var WireEnumerateReply;
(function (WireEnumerateReply) {
    let _codec;
    WireEnumerateReply.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.epoch != null && obj.epoch !== 0)) {
                    w.uint32(8);
                    w.uint64Number(obj.epoch);
                }
                if (obj.keys != null && obj.keys.length > 0) {
                    for (const value of obj.keys) {
                        w.uint32(18);
                        w.bytes(value);
                    }
                }
                if (obj.ballots != null && obj.ballots.length > 0) {
                    for (const value of obj.ballots) {
                        w.uint32(26);
                        WireBallot.codec().encode(value, w);
                    }
                }
                if (obj.generations != null && obj.generations.length > 0) {
                    for (const value of obj.generations) {
                        w.uint32(32);
                        w.uint64Number(value);
                    }
                }
                if ((obj.more != null && obj.more !== false)) {
                    w.uint32(40);
                    w.bool(obj.more);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    epoch: 0,
                    keys: [],
                    ballots: [],
                    generations: [],
                    more: false
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.epoch = reader.uint64Number();
                            break;
                        }
                        case 2: {
                            if (opts.limits?.keys != null && obj.keys.length === opts.limits.keys) {
                                throw new MaxLengthError('Decode error - repeated field "keys" had too many elements');
                            }
                            obj.keys.push(reader.bytes());
                            break;
                        }
                        case 3: {
                            if (opts.limits?.ballots != null && obj.ballots.length === opts.limits.ballots) {
                                throw new MaxLengthError('Decode error - repeated field "ballots" had too many elements');
                            }
                            obj.ballots.push(WireBallot.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.ballots$
                            }));
                            break;
                        }
                        case 4: {
                            if (opts.limits?.generations != null && obj.generations.length === opts.limits.generations) {
                                throw new MaxLengthError('Decode error - repeated field "generations" had too many elements');
                            }
                            obj.generations.push(reader.uint64Number());
                            break;
                        }
                        case 5: {
                            obj.more = reader.bool();
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
                    keys: 0,
                    ballots: 0,
                    generations: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.epoch`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 2: {
                            if (opts.limits?.keys != null && obj.keys === opts.limits.keys) {
                                throw new MaxLengthError('Streaming decode error - repeated field "keys" had too many elements');
                            }
                            yield {
                                field: `${prefix}.keys[]`,
                                index: obj.keys,
                                value: reader.bytes()
                            };
                            obj.keys++;
                            break;
                        }
                        case 3: {
                            if (opts.limits?.ballots != null && obj.ballots === opts.limits.ballots) {
                                throw new MaxLengthError('Streaming decode error - repeated field "ballots" had too many elements');
                            }
                            for (const evt of WireBallot.codec().stream(reader, reader.uint32(), `${prefix}.ballots[]`, {
                                limits: opts.limits?.ballots$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.ballots
                                };
                            }
                            obj.ballots++;
                            break;
                        }
                        case 4: {
                            if (opts.limits?.generations != null && obj.generations === opts.limits.generations) {
                                throw new MaxLengthError('Streaming decode error - repeated field "generations" had too many elements');
                            }
                            yield {
                                field: `${prefix}.generations[]`,
                                index: obj.generations,
                                value: reader.uint64Number()
                            };
                            obj.generations++;
                            break;
                        }
                        case 5: {
                            yield {
                                field: `${prefix}.more`,
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
        return encodeMessage(obj, WireEnumerateReply.codec());
    }
    WireEnumerateReply.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireEnumerateReply.codec(), opts);
    }
    WireEnumerateReply.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireEnumerateReply.codec(), opts);
    }
    WireEnumerateReply.stream = stream;
})(WireEnumerateReply || (WireEnumerateReply = {}));
export var WireHintRequest;
(function (WireHintRequest) {
    let _codec;
    WireHintRequest.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.epoch != null && obj.epoch !== 0)) {
                    w.uint32(8);
                    w.uint64Number(obj.epoch);
                }
                if (obj.partitions != null && obj.partitions.length > 0) {
                    for (const value of obj.partitions) {
                        w.uint32(16);
                        w.uint32(value);
                    }
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    epoch: 0,
                    partitions: []
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.epoch = reader.uint64Number();
                            break;
                        }
                        case 2: {
                            if (opts.limits?.partitions != null && obj.partitions.length === opts.limits.partitions) {
                                throw new MaxLengthError('Decode error - repeated field "partitions" had too many elements');
                            }
                            obj.partitions.push(reader.uint32());
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
                    partitions: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.epoch`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 2: {
                            if (opts.limits?.partitions != null && obj.partitions === opts.limits.partitions) {
                                throw new MaxLengthError('Streaming decode error - repeated field "partitions" had too many elements');
                            }
                            yield {
                                field: `${prefix}.partitions[]`,
                                index: obj.partitions,
                                value: reader.uint32()
                            };
                            obj.partitions++;
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
        return encodeMessage(obj, WireHintRequest.codec());
    }
    WireHintRequest.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireHintRequest.codec(), opts);
    }
    WireHintRequest.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireHintRequest.codec(), opts);
    }
    WireHintRequest.stream = stream;
})(WireHintRequest || (WireHintRequest = {}));
export var WireStatusReply;
(function (WireStatusReply) {
    let _codec;
    WireStatusReply.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.epoch != null && obj.epoch !== 0)) {
                    w.uint32(8);
                    w.uint64Number(obj.epoch);
                }
                if ((obj.behind != null && obj.behind.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.behind);
                }
                if ((obj.freeBytes != null && obj.freeBytes !== 0)) {
                    w.uint32(24);
                    w.uint64Number(obj.freeBytes);
                }
                if ((obj.totalBytes != null && obj.totalBytes !== 0)) {
                    w.uint32(32);
                    w.uint64Number(obj.totalBytes);
                }
                if ((obj.logBytes != null && obj.logBytes !== 0)) {
                    w.uint32(40);
                    w.uint64Number(obj.logBytes);
                }
                if ((obj.resyncPending != null && obj.resyncPending !== 0)) {
                    w.uint32(48);
                    w.uint64Number(obj.resyncPending);
                }
                if ((obj.resyncDone != null && obj.resyncDone !== 0)) {
                    w.uint32(56);
                    w.uint64Number(obj.resyncDone);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    epoch: 0,
                    behind: uint8ArrayAlloc(0),
                    freeBytes: 0,
                    totalBytes: 0,
                    logBytes: 0,
                    resyncPending: 0,
                    resyncDone: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.epoch = reader.uint64Number();
                            break;
                        }
                        case 2: {
                            obj.behind = reader.bytes();
                            break;
                        }
                        case 3: {
                            obj.freeBytes = reader.uint64Number();
                            break;
                        }
                        case 4: {
                            obj.totalBytes = reader.uint64Number();
                            break;
                        }
                        case 5: {
                            obj.logBytes = reader.uint64Number();
                            break;
                        }
                        case 6: {
                            obj.resyncPending = reader.uint64Number();
                            break;
                        }
                        case 7: {
                            obj.resyncDone = reader.uint64Number();
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
                                field: `${prefix}.epoch`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.behind`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.freeBytes`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.totalBytes`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 5: {
                            yield {
                                field: `${prefix}.logBytes`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 6: {
                            yield {
                                field: `${prefix}.resyncPending`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 7: {
                            yield {
                                field: `${prefix}.resyncDone`,
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
        return encodeMessage(obj, WireStatusReply.codec());
    }
    WireStatusReply.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, WireStatusReply.codec(), opts);
    }
    WireStatusReply.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, WireStatusReply.codec(), opts);
    }
    WireStatusReply.stream = stream;
})(WireStatusReply || (WireStatusReply = {}));
