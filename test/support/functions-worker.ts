/**
 * The child process of functions-host.ts: stands in for the Node worker of Azure Functions. It supplies the built-in
 * module `@azure/functions-core`, loads the entry named on the command line, and runs invocations through the library's
 * own programming model, so that the library's HTTP stream code is what tests meet.
 */
import { Server } from 'node:http';
import Module from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

/** Values as they cross the gRPC line, in the forms that the tests need. */
export interface RpcData {
  readonly string?: string;
  readonly json?: string;
  readonly http?: object;
}

export interface Binding {
  readonly type: string;
  readonly direction: string;
  readonly [property: string]: unknown;
}

export interface Metadata {
  readonly name: string;
  readonly bindings: Readonly<Record<string, Binding>>;
}

export interface Invocation {
  readonly id: string;
  readonly name: string;
  readonly data: RpcData;
  readonly triggerMetadata: Readonly<Record<string, RpcData>>;
}

export type FromWorker =
  | { readonly kind: 'loaded'; readonly functions: readonly Metadata[]; readonly httpUri: string | undefined }
  | { readonly kind: 'failed'; readonly error: string }
  | { readonly kind: 'log'; readonly level: string; readonly message: string }
  | { readonly kind: 'done'; readonly id: string; readonly error?: string };

type Handler = (...args: unknown[]) => unknown;

interface InvocationModel {
  getArguments(): Promise<{ context: unknown; inputs: unknown[] }>;
  invokeFunction(context: unknown, inputs: unknown[], handler: Handler): Promise<unknown>;
  getResponse(context: unknown, result: unknown): Promise<unknown>;
}

interface ProgrammingModel {
  getCapabilities(capabilities: Record<string, string>): Promise<Record<string, string>>;
  getInvocationModel(call: object): InvocationModel;
}

const functions = new Map<string, { metadata: Metadata; handler: Handler }>();
let model: ProgrammingModel | undefined;
let starting = true;

const core = {
  version: '3.9.1',
  hostVersion: '4.1037.0',
  Disposable: class {
    readonly dispose: () => void;
    constructor(dispose: () => void) {
      this.dispose = dispose;
    }
  },
  setProgrammingModel(value: ProgrammingModel) {
    model = value;
  },
  getProgrammingModel: () => model,
  registerHook: () => ({ dispose: () => undefined }),
  log: (level: string, _category: string, message: string) => tell({ kind: 'log', level, message }),
  registerFunction(metadata: Metadata, handler: Handler) {
    if (!starting) throw new Error('a function can only be registered during start-up');
    if (functions.has(metadata.name)) throw new Error(`two functions are named ${metadata.name}`);
    functions.set(metadata.name, { metadata, handler });
    return { dispose: () => undefined };
  },
};

function tell(message: FromWorker): void {
  process.send?.(message);
}

async function load(entry: string): Promise<void> {
  const original: unknown = Reflect.get(Module, '_load');
  if (typeof original !== 'function')
    throw new Error('this Node has no Module._load to supply the core module with');
  Reflect.set(Module, '_load', (id: string, ...rest: unknown[]): unknown =>
    id === '@azure/functions-core' ? core : Reflect.apply(original, Module, [id, ...rest]),
  );
  // The library listens on every interface; here nothing may leave the machine.
  const listen: unknown = Reflect.get(Server.prototype, 'listen');
  if (typeof listen !== 'function') throw new Error('this Node has no Server.listen');
  Reflect.set(Server.prototype, 'listen', function onLoopback(this: Server, ...args: unknown[]): unknown {
    const bare = typeof args[0] === 'function';
    return Reflect.apply(listen, this, bare ? [0, '127.0.0.1', args[0]] : args);
  });
  await import(pathToFileURL(path.resolve(entry)).href);
  if (!model) throw new Error('the entry registered nothing');
  starting = false;
  const { HttpUri } = await model.getCapabilities({});
  tell({ kind: 'loaded', functions: [...functions.values()].map((each) => each.metadata), httpUri: HttpUri });
}

async function invoke(call: Invocation): Promise<void> {
  try {
    const found = functions.get(call.name);
    if (!found || !model) throw new Error(`no function is named ${call.name}`);
    const { metadata, handler } = found;
    const trigger = Object.entries(metadata.bindings).find(([, binding]) => binding.direction === 'in');
    const invocation = model.getInvocationModel({
      invocationId: call.id,
      metadata,
      request: {
        inputData: [{ name: trigger?.[0], data: call.data }],
        triggerMetadata: call.triggerMetadata,
      },
      log: core.log,
      state: undefined,
    });
    const { context, inputs } = await invocation.getArguments();
    const result = await invocation.invokeFunction(context, inputs, handler);
    await invocation.getResponse(context, result);
    tell({ kind: 'done', id: call.id });
  } catch (error) {
    tell({ kind: 'done', id: call.id, error: String(error) });
  }
}

process.on('message', (message: Invocation) => void invoke(message));
process.on('disconnect', () => process.exit(0));
const entry = process.argv[2];
if (entry === undefined) throw new Error('name the entry to load');
load(entry).catch((error: unknown) => {
  tell({ kind: 'failed', error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
});
