import type { Codec, DecodeOptions } from 'protons-runtime';
import type { Uint8ArrayList } from 'uint8arraylist';
export interface WireBallot {
    counter: number;
    proposer: Uint8Array<ArrayBuffer>;
}
export declare namespace WireBallot {
    const codec: () => Codec<WireBallot>;
    interface WireBallotCounterFieldEvent {
        field: '$.counter';
        value: number;
    }
    interface WireBallotProposerFieldEvent {
        field: '$.proposer';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<WireBallot>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireBallot>): WireBallot;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireBallot>): Generator<WireBallotCounterFieldEvent | WireBallotProposerFieldEvent>;
}
export interface WireRegisterRequest {
    key: Uint8Array<ArrayBuffer>;
    epoch: number;
    fenceBucket: Uint8Array<ArrayBuffer>;
    fenceGeneration: number;
    ballot?: WireBallot;
    state: Uint8Array<ArrayBuffer>;
    next?: WireBallot;
    want: number;
    payloadKey: Uint8Array<ArrayBuffer>;
    kind: number;
}
export declare namespace WireRegisterRequest {
    const codec: () => Codec<WireRegisterRequest>;
    interface WireRegisterRequestKeyFieldEvent {
        field: '$.key';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireRegisterRequestEpochFieldEvent {
        field: '$.epoch';
        value: number;
    }
    interface WireRegisterRequestFenceBucketFieldEvent {
        field: '$.fenceBucket';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireRegisterRequestFenceGenerationFieldEvent {
        field: '$.fenceGeneration';
        value: number;
    }
    interface WireRegisterRequestBallotCounterFieldEvent {
        field: '$.ballot.counter';
        value: number;
    }
    interface WireRegisterRequestBallotProposerFieldEvent {
        field: '$.ballot.proposer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireRegisterRequestStateFieldEvent {
        field: '$.state';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireRegisterRequestNextCounterFieldEvent {
        field: '$.next.counter';
        value: number;
    }
    interface WireRegisterRequestNextProposerFieldEvent {
        field: '$.next.proposer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireRegisterRequestWantFieldEvent {
        field: '$.want';
        value: number;
    }
    interface WireRegisterRequestPayloadKeyFieldEvent {
        field: '$.payloadKey';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireRegisterRequestKindFieldEvent {
        field: '$.kind';
        value: number;
    }
    function encode(obj: Partial<WireRegisterRequest>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireRegisterRequest>): WireRegisterRequest;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireRegisterRequest>): Generator<WireRegisterRequestKeyFieldEvent | WireRegisterRequestEpochFieldEvent | WireRegisterRequestFenceBucketFieldEvent | WireRegisterRequestFenceGenerationFieldEvent | WireRegisterRequestBallotCounterFieldEvent | WireRegisterRequestBallotProposerFieldEvent | WireRegisterRequestStateFieldEvent | WireRegisterRequestNextCounterFieldEvent | WireRegisterRequestNextProposerFieldEvent | WireRegisterRequestWantFieldEvent | WireRegisterRequestPayloadKeyFieldEvent | WireRegisterRequestKindFieldEvent>;
}
export interface WireRegisterReply {
    kind: number;
    ballot?: WireBallot;
    state: Uint8Array<ArrayBuffer>;
    epoch: number;
    generation: number;
    blocks: Uint8Array<ArrayBuffer>[];
    reason: number;
    payloadKey: Uint8Array<ArrayBuffer>;
    absent: boolean;
    never: boolean;
    floor?: WireBallot;
}
export declare namespace WireRegisterReply {
    const codec: () => Codec<WireRegisterReply>;
    interface WireRegisterReplyKindFieldEvent {
        field: '$.kind';
        value: number;
    }
    interface WireRegisterReplyBallotCounterFieldEvent {
        field: '$.ballot.counter';
        value: number;
    }
    interface WireRegisterReplyBallotProposerFieldEvent {
        field: '$.ballot.proposer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireRegisterReplyStateFieldEvent {
        field: '$.state';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireRegisterReplyEpochFieldEvent {
        field: '$.epoch';
        value: number;
    }
    interface WireRegisterReplyGenerationFieldEvent {
        field: '$.generation';
        value: number;
    }
    interface WireRegisterReplyBlocksFieldEvent {
        field: '$.blocks[]';
        index: number;
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireRegisterReplyReasonFieldEvent {
        field: '$.reason';
        value: number;
    }
    interface WireRegisterReplyPayloadKeyFieldEvent {
        field: '$.payloadKey';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireRegisterReplyAbsentFieldEvent {
        field: '$.absent';
        value: boolean;
    }
    interface WireRegisterReplyNeverFieldEvent {
        field: '$.never';
        value: boolean;
    }
    interface WireRegisterReplyFloorCounterFieldEvent {
        field: '$.floor.counter';
        value: number;
    }
    interface WireRegisterReplyFloorProposerFieldEvent {
        field: '$.floor.proposer';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<WireRegisterReply>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireRegisterReply>): WireRegisterReply;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireRegisterReply>): Generator<WireRegisterReplyKindFieldEvent | WireRegisterReplyBallotCounterFieldEvent | WireRegisterReplyBallotProposerFieldEvent | WireRegisterReplyStateFieldEvent | WireRegisterReplyEpochFieldEvent | WireRegisterReplyGenerationFieldEvent | WireRegisterReplyBlocksFieldEvent | WireRegisterReplyReasonFieldEvent | WireRegisterReplyPayloadKeyFieldEvent | WireRegisterReplyAbsentFieldEvent | WireRegisterReplyNeverFieldEvent | WireRegisterReplyFloorCounterFieldEvent | WireRegisterReplyFloorProposerFieldEvent>;
}
export interface WireBlockRequest {
    key: Uint8Array<ArrayBuffer>;
    epoch: number;
}
export declare namespace WireBlockRequest {
    const codec: () => Codec<WireBlockRequest>;
    interface WireBlockRequestKeyFieldEvent {
        field: '$.key';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireBlockRequestEpochFieldEvent {
        field: '$.epoch';
        value: number;
    }
    function encode(obj: Partial<WireBlockRequest>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireBlockRequest>): WireBlockRequest;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireBlockRequest>): Generator<WireBlockRequestKeyFieldEvent | WireBlockRequestEpochFieldEvent>;
}
export interface WireBlockReply {
    result: number;
    epoch: number;
}
export declare namespace WireBlockReply {
    const codec: () => Codec<WireBlockReply>;
    interface WireBlockReplyResultFieldEvent {
        field: '$.result';
        value: number;
    }
    interface WireBlockReplyEpochFieldEvent {
        field: '$.epoch';
        value: number;
    }
    function encode(obj: Partial<WireBlockReply>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireBlockReply>): WireBlockReply;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireBlockReply>): Generator<WireBlockReplyResultFieldEvent | WireBlockReplyEpochFieldEvent>;
}
export interface WireInterval {
    start: Uint8Array<ArrayBuffer>;
    end: Uint8Array<ArrayBuffer>;
    digestOnly: boolean;
}
export declare namespace WireInterval {
    const codec: () => Codec<WireInterval>;
    interface WireIntervalStartFieldEvent {
        field: '$.start';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireIntervalEndFieldEvent {
        field: '$.end';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireIntervalDigestOnlyFieldEvent {
        field: '$.digestOnly';
        value: boolean;
    }
    function encode(obj: Partial<WireInterval>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireInterval>): WireInterval;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireInterval>): Generator<WireIntervalStartFieldEvent | WireIntervalEndFieldEvent | WireIntervalDigestOnlyFieldEvent>;
}
export interface WireListRequest {
    epoch: number;
    fenceBucket: Uint8Array<ArrayBuffer>;
    fenceGeneration: number;
    limit: number;
    intervals: WireInterval[];
    alone: boolean;
}
export declare namespace WireListRequest {
    const codec: () => Codec<WireListRequest>;
    interface WireListRequestEpochFieldEvent {
        field: '$.epoch';
        value: number;
    }
    interface WireListRequestFenceBucketFieldEvent {
        field: '$.fenceBucket';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireListRequestFenceGenerationFieldEvent {
        field: '$.fenceGeneration';
        value: number;
    }
    interface WireListRequestLimitFieldEvent {
        field: '$.limit';
        value: number;
    }
    interface WireListRequestIntervalsStartFieldEvent {
        field: '$.intervals[].start';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface WireListRequestIntervalsEndFieldEvent {
        field: '$.intervals[].end';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface WireListRequestIntervalsDigestOnlyFieldEvent {
        field: '$.intervals[].digestOnly';
        value: boolean;
        index: number;
    }
    interface WireListRequestAloneFieldEvent {
        field: '$.alone';
        value: boolean;
    }
    function encode(obj: Partial<WireListRequest>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireListRequest>): WireListRequest;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireListRequest>): Generator<WireListRequestEpochFieldEvent | WireListRequestFenceBucketFieldEvent | WireListRequestFenceGenerationFieldEvent | WireListRequestLimitFieldEvent | WireListRequestIntervalsStartFieldEvent | WireListRequestIntervalsEndFieldEvent | WireListRequestIntervalsDigestOnlyFieldEvent | WireListRequestAloneFieldEvent>;
}
export interface WireRow {
    key: Uint8Array<ArrayBuffer>;
    state: Uint8Array<ArrayBuffer>;
}
export declare namespace WireRow {
    const codec: () => Codec<WireRow>;
    interface WireRowKeyFieldEvent {
        field: '$.key';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireRowStateFieldEvent {
        field: '$.state';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<WireRow>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireRow>): WireRow;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireRow>): Generator<WireRowKeyFieldEvent | WireRowStateFieldEvent>;
}
export interface WireIntervalReply {
    rows: WireRow[];
    digest: Uint8Array<ArrayBuffer>;
    coveredEnd: Uint8Array<ArrayBuffer>;
}
export declare namespace WireIntervalReply {
    const codec: () => Codec<WireIntervalReply>;
    interface WireIntervalReplyRowsKeyFieldEvent {
        field: '$.rows[].key';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface WireIntervalReplyRowsStateFieldEvent {
        field: '$.rows[].state';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface WireIntervalReplyDigestFieldEvent {
        field: '$.digest';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireIntervalReplyCoveredEndFieldEvent {
        field: '$.coveredEnd';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<WireIntervalReply>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireIntervalReply>): WireIntervalReply;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireIntervalReply>): Generator<WireIntervalReplyRowsKeyFieldEvent | WireIntervalReplyRowsStateFieldEvent | WireIntervalReplyDigestFieldEvent | WireIntervalReplyCoveredEndFieldEvent>;
}
export interface WireListReply {
    kind: number;
    epoch: number;
    generation: number;
    intervals: WireIntervalReply[];
}
export declare namespace WireListReply {
    const codec: () => Codec<WireListReply>;
    interface WireListReplyKindFieldEvent {
        field: '$.kind';
        value: number;
    }
    interface WireListReplyEpochFieldEvent {
        field: '$.epoch';
        value: number;
    }
    interface WireListReplyGenerationFieldEvent {
        field: '$.generation';
        value: number;
    }
    interface WireListReplyIntervalsRowsKeyFieldEvent {
        field: '$.intervals[].rows[].key';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface WireListReplyIntervalsRowsStateFieldEvent {
        field: '$.intervals[].rows[].state';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface WireListReplyIntervalsDigestFieldEvent {
        field: '$.intervals[].digest';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface WireListReplyIntervalsCoveredEndFieldEvent {
        field: '$.intervals[].coveredEnd';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    function encode(obj: Partial<WireListReply>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireListReply>): WireListReply;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireListReply>): Generator<WireListReplyKindFieldEvent | WireListReplyEpochFieldEvent | WireListReplyGenerationFieldEvent | WireListReplyIntervalsRowsKeyFieldEvent | WireListReplyIntervalsRowsStateFieldEvent | WireListReplyIntervalsDigestFieldEvent | WireListReplyIntervalsCoveredEndFieldEvent>;
}
export interface WireRaiseRequest {
    epoch: number;
    bucket: Uint8Array<ArrayBuffer>;
    generation: number;
    partitions: number[];
}
export declare namespace WireRaiseRequest {
    const codec: () => Codec<WireRaiseRequest>;
    interface WireRaiseRequestEpochFieldEvent {
        field: '$.epoch';
        value: number;
    }
    interface WireRaiseRequestBucketFieldEvent {
        field: '$.bucket';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireRaiseRequestGenerationFieldEvent {
        field: '$.generation';
        value: number;
    }
    interface WireRaiseRequestPartitionsFieldEvent {
        field: '$.partitions[]';
        index: number;
        value: number;
    }
    function encode(obj: Partial<WireRaiseRequest>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireRaiseRequest>): WireRaiseRequest;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireRaiseRequest>): Generator<WireRaiseRequestEpochFieldEvent | WireRaiseRequestBucketFieldEvent | WireRaiseRequestGenerationFieldEvent | WireRaiseRequestPartitionsFieldEvent>;
}
export interface WireRaiseReply {
    result: number;
    epoch: number;
}
export declare namespace WireRaiseReply {
    const codec: () => Codec<WireRaiseReply>;
    interface WireRaiseReplyResultFieldEvent {
        field: '$.result';
        value: number;
    }
    interface WireRaiseReplyEpochFieldEvent {
        field: '$.epoch';
        value: number;
    }
    function encode(obj: Partial<WireRaiseReply>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireRaiseReply>): WireRaiseReply;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireRaiseReply>): Generator<WireRaiseReplyResultFieldEvent | WireRaiseReplyEpochFieldEvent>;
}
export interface WireDigestRequest {
    epoch: number;
    level: number;
    groups: number[];
}
export declare namespace WireDigestRequest {
    const codec: () => Codec<WireDigestRequest>;
    interface WireDigestRequestEpochFieldEvent {
        field: '$.epoch';
        value: number;
    }
    interface WireDigestRequestLevelFieldEvent {
        field: '$.level';
        value: number;
    }
    interface WireDigestRequestGroupsFieldEvent {
        field: '$.groups[]';
        index: number;
        value: number;
    }
    function encode(obj: Partial<WireDigestRequest>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireDigestRequest>): WireDigestRequest;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireDigestRequest>): Generator<WireDigestRequestEpochFieldEvent | WireDigestRequestLevelFieldEvent | WireDigestRequestGroupsFieldEvent>;
}
export interface WireDigestReply {
    epoch: number;
    digests: Uint8Array<ArrayBuffer>;
}
export declare namespace WireDigestReply {
    const codec: () => Codec<WireDigestReply>;
    interface WireDigestReplyEpochFieldEvent {
        field: '$.epoch';
        value: number;
    }
    interface WireDigestReplyDigestsFieldEvent {
        field: '$.digests';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<WireDigestReply>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireDigestReply>): WireDigestReply;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireDigestReply>): Generator<WireDigestReplyEpochFieldEvent | WireDigestReplyDigestsFieldEvent>;
}
export interface WireEnumerateRequest {
    epoch: number;
    partition: number;
    what: number;
    after: Uint8Array<ArrayBuffer>;
    limit: number;
}
export declare namespace WireEnumerateRequest {
    const codec: () => Codec<WireEnumerateRequest>;
    interface WireEnumerateRequestEpochFieldEvent {
        field: '$.epoch';
        value: number;
    }
    interface WireEnumerateRequestPartitionFieldEvent {
        field: '$.partition';
        value: number;
    }
    interface WireEnumerateRequestWhatFieldEvent {
        field: '$.what';
        value: number;
    }
    interface WireEnumerateRequestAfterFieldEvent {
        field: '$.after';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireEnumerateRequestLimitFieldEvent {
        field: '$.limit';
        value: number;
    }
    function encode(obj: Partial<WireEnumerateRequest>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireEnumerateRequest>): WireEnumerateRequest;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireEnumerateRequest>): Generator<WireEnumerateRequestEpochFieldEvent | WireEnumerateRequestPartitionFieldEvent | WireEnumerateRequestWhatFieldEvent | WireEnumerateRequestAfterFieldEvent | WireEnumerateRequestLimitFieldEvent>;
}
export interface WireEnumerateReply {
    epoch: number;
    keys: Uint8Array<ArrayBuffer>[];
    ballots: WireBallot[];
    generations: number[];
    more: boolean;
}
export declare namespace WireEnumerateReply {
    const codec: () => Codec<WireEnumerateReply>;
    interface WireEnumerateReplyEpochFieldEvent {
        field: '$.epoch';
        value: number;
    }
    interface WireEnumerateReplyKeysFieldEvent {
        field: '$.keys[]';
        index: number;
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireEnumerateReplyBallotsCounterFieldEvent {
        field: '$.ballots[].counter';
        value: number;
        index: number;
    }
    interface WireEnumerateReplyBallotsProposerFieldEvent {
        field: '$.ballots[].proposer';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface WireEnumerateReplyGenerationsFieldEvent {
        field: '$.generations[]';
        index: number;
        value: number;
    }
    interface WireEnumerateReplyMoreFieldEvent {
        field: '$.more';
        value: boolean;
    }
    function encode(obj: Partial<WireEnumerateReply>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireEnumerateReply>): WireEnumerateReply;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireEnumerateReply>): Generator<WireEnumerateReplyEpochFieldEvent | WireEnumerateReplyKeysFieldEvent | WireEnumerateReplyBallotsCounterFieldEvent | WireEnumerateReplyBallotsProposerFieldEvent | WireEnumerateReplyGenerationsFieldEvent | WireEnumerateReplyMoreFieldEvent>;
}
export interface WireHintRequest {
    epoch: number;
    partitions: number[];
}
export declare namespace WireHintRequest {
    const codec: () => Codec<WireHintRequest>;
    interface WireHintRequestEpochFieldEvent {
        field: '$.epoch';
        value: number;
    }
    interface WireHintRequestPartitionsFieldEvent {
        field: '$.partitions[]';
        index: number;
        value: number;
    }
    function encode(obj: Partial<WireHintRequest>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireHintRequest>): WireHintRequest;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireHintRequest>): Generator<WireHintRequestEpochFieldEvent | WireHintRequestPartitionsFieldEvent>;
}
export interface WireStatusReply {
    epoch: number;
    behind: Uint8Array<ArrayBuffer>;
    freeBytes: number;
    totalBytes: number;
    logBytes: number;
    resyncPending: number;
    resyncDone: number;
}
export declare namespace WireStatusReply {
    const codec: () => Codec<WireStatusReply>;
    interface WireStatusReplyEpochFieldEvent {
        field: '$.epoch';
        value: number;
    }
    interface WireStatusReplyBehindFieldEvent {
        field: '$.behind';
        value: Uint8Array<ArrayBuffer>;
    }
    interface WireStatusReplyFreeBytesFieldEvent {
        field: '$.freeBytes';
        value: number;
    }
    interface WireStatusReplyTotalBytesFieldEvent {
        field: '$.totalBytes';
        value: number;
    }
    interface WireStatusReplyLogBytesFieldEvent {
        field: '$.logBytes';
        value: number;
    }
    interface WireStatusReplyResyncPendingFieldEvent {
        field: '$.resyncPending';
        value: number;
    }
    interface WireStatusReplyResyncDoneFieldEvent {
        field: '$.resyncDone';
        value: number;
    }
    function encode(obj: Partial<WireStatusReply>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireStatusReply>): WireStatusReply;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<WireStatusReply>): Generator<WireStatusReplyEpochFieldEvent | WireStatusReplyBehindFieldEvent | WireStatusReplyFreeBytesFieldEvent | WireStatusReplyTotalBytesFieldEvent | WireStatusReplyLogBytesFieldEvent | WireStatusReplyResyncPendingFieldEvent | WireStatusReplyResyncDoneFieldEvent>;
}
