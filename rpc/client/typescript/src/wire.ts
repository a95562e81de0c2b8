/** The wire as protoc-gen-es has it. */
export * from "../gen/intervene/v1/board_pb.js";
export * from "../gen/intervene/v1/console_pb.js";
export * from "../gen/intervene/v1/console_pb.js";
export * from "../gen/intervene/v1/content_pb.js";
export * from "../gen/intervene/v1/conversation_pb.js";
export * from "../gen/intervene/v1/livechat_pb.js";
export * from "../gen/intervene/v1/presence_pb.js";
