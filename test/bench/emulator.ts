// A process of its own: the storage emulator, so that registries under comparison share one storage and its cost is
// nobody's. Its argument is the data directory; it sends its parent the account, and ends by SIGTERM or with its parent.
import { startAzurite } from '../../src/local/azurite.ts';

const dir = process.argv[2];
if (dir === undefined) throw new Error('the data directory is missing');
const azurite = await startAzurite({ dir });
const stop = () => {
  void azurite.stop().then(() => process.exit(0));
};
process.once('SIGTERM', stop);
// A bench that was cut off must not leave an emulator behind.
process.once('disconnect', stop);
process.send?.(azurite.options);
