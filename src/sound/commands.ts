/** The native protocol's numbers, as far as the filter has to do with them. What is not here is not known to it. */

/** Commands, by what they are called in PulseAudio's documentation. */
export const command = {
	error: 0,
	reply: 2,
	createPlaybackStream: 3,
	deletePlaybackStream: 4,
	createRecordStream: 5,
	deleteRecordStream: 6,
	auth: 8,
	setClientName: 9,
	lookupSink: 10,
	lookupSource: 11,
	drainPlaybackStream: 12,
	getPlaybackLatency: 14,
	getServerInfo: 20,
	getSinkInfo: 21,
	getSinkInfoList: 22,
	getSourceInfo: 23,
	getSourceInfoList: 24,
	getSinkInputInfo: 29,
	getSourceOutputInfo: 31,
	subscribe: 35,
	setSinkInputVolume: 37,
	corkPlaybackStream: 41,
	flushPlaybackStream: 42,
	triggerPlaybackStream: 43,
	setPlaybackStreamName: 46,
	setRecordStreamName: 47,
	getRecordLatency: 57,
	corkRecordStream: 58,
	flushRecordStream: 59,
	prebufPlaybackStream: 60,
	request: 61,
	overflow: 62,
	underflow: 63,
	playbackStreamKilled: 64,
	recordStreamKilled: 65,
	subscribeEvent: 66,
	setSinkInputMute: 69,
	setPlaybackStreamBufferAttr: 72,
	setRecordStreamBufferAttr: 73,
	updatePlaybackStreamSampleRate: 74,
	updateRecordStreamSampleRate: 75,
	playbackStreamSuspended: 76,
	recordStreamSuspended: 77,
	playbackStreamMoved: 78,
	recordStreamMoved: 79,
	updateRecordStreamProplist: 80,
	updatePlaybackStreamProplist: 81,
	updateClientProplist: 82,
	started: 86,
	playbackStreamEvent: 92,
	recordStreamEvent: 93,
	playbackBufferAttrChanged: 94,
	recordBufferAttrChanged: 95,
	setSourceOutputVolume: 98,
	setSourceOutputMute: 99,
} as const;

/** What an ERROR says. */
export const failure = { access: 1, invalid: 3, noEntity: 5, version: 17, tooLarge: 18, notSupported: 19 } as const;

/** "None" and "whatever you like", for indexes and sizes. */
export const invalidIndex = 0xffff_ffff;
/** Of what the host says unasked. */
export const unaskedTag = 0xffff_ffff;

/** Kinds of things in the masks and events of SUBSCRIBE: the event's number, whose bit is in the mask. */
export const facility = { sink: 0, source: 1, sinkInput: 2, sourceOutput: 3, server: 7 } as const;
export const facilityMask = 0x0f;
