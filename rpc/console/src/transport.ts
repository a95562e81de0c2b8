import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import type { Transport } from "@connectrpc/connect";
import {
  createEnvelopeReadableStream,
  createMethodUrl,
  encodeEnvelope,
  runStreamingCall,
  runUnaryCall,
} from "@connectrpc/connect/protocol";
import {
  endStreamFlag,
  endStreamFromJson,
  errorFromJson,
  requestHeader,
  trailerDemux,
  validateResponse,
} from "@connectrpc/connect/protocol-connect";

import { LiveChatService } from "@intervene/client/wire";

const presencePath = `/${LiveChatService.typeName}/${LiveChatService.method.updatePresence.name}`;

/**
 * pageTransport speaks Connect with this page's own origin, whose cookie says who
 * calls: binary, unary calls and streams of the server's. connect-web's does that,
 * too, and brings all of protobuf's JSON with it, which is a tenth of what a
 * browser loads of this page.
 */
export const pageTransport: Transport = {
  unary(method, signal, timeoutMs, header, input, contextValues) {
    return runUnaryCall({
      ...(signal && { signal }),
      ...(timeoutMs !== undefined && { timeoutMs }),
      req: {
        stream: false,
        service: method.parent,
        method,
        requestMethod: "POST",
        url: createMethodUrl(location.origin, method),
        header: requestHeader(method.methodKind, true, timeoutMs, header, false),
        contextValues: contextValues ?? createContextValues(),
        message: create(method.input, input),
      },
      next: async (request) => {
        const response = await post(request.url, request.header, request.signal, toBinary(method.input, request.message));
        const [answerHeader, trailer] = trailerDemux(response.headers);
        const { isUnaryError, unaryError } = validateResponse(method.methodKind, true, response.status, response.headers);
        if (isUnaryError) {
          throw errorFromJson(await response.json(), answerHeader, unaryError);
        }
        const message = fromBinary(method.output, new Uint8Array(await response.arrayBuffer()));
        return { stream: false, service: method.parent, method, header: answerHeader, message, trailer };
      },
    });
  },

  stream(method, signal, timeoutMs, header, input, contextValues) {
    return runStreamingCall({
      ...(signal && { signal }),
      ...(timeoutMs !== undefined && { timeoutMs }),
      req: {
        stream: true,
        service: method.parent,
        method,
        requestMethod: "POST",
        url: createMethodUrl(location.origin, method),
        header: requestHeader(method.methodKind, true, timeoutMs, header, false),
        contextValues: contextValues ?? createContextValues(),
        message: input,
      },
      next: async (request) => {
        const body = encodeEnvelope(0, toBinary(method.input, await only(request.message, method.input)));
        const response = await post(request.url, request.header, request.signal, body);
        validateResponse(method.methodKind, true, response.status, response.headers);
        if (!response.body) {
          throw new ConnectError("a stream has no body", Code.Internal);
        }
        const trailer = new Headers();
        return { ...request, header: response.headers, trailer, message: frames(response.body, method.output, trailer, request.signal) };
      },
    });
  },
};

function post(url: string, headers: Headers, signal: AbortSignal, body: Uint8Array): Promise<Response> {
  // A page that goes away still says so.
  const keepalive = url.endsWith(presencePath);
  return fetch(url, { method: "POST", headers, signal, keepalive, redirect: "error", body: body as Uint8Array<ArrayBuffer> });
}

/** The one message that a browser can send. */
async function only<Desc extends DescMessage>(input: AsyncIterable<MessageShape<Desc>>, desc: Desc): Promise<MessageShape<Desc>> {
  for await (const message of input) {
    return message;
  }
  return create(desc);
}

/** The messages of a stream, whose end must be told. */
async function* frames<Desc extends DescMessage>(body: ReadableStream<Uint8Array>, desc: Desc, trailer: Headers, signal: AbortSignal) {
  const reader = createEnvelopeReadableStream(body).getReader();
  let ended = false;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    const { flags, data } = next.value;
    if ((flags & endStreamFlag) === 0) {
      yield fromBinary(desc, data);
      continue;
    }
    ended = true;
    const end = endStreamFromJson(data);
    if (end.error) {
      throw end.error;
    }
    end.metadata.forEach((value, key) => trailer.set(key, value));
  }
  signal.throwIfAborted();
  if (!ended) {
    throw new ConnectError("a stream ended without a word", Code.Unavailable);
  }
}
