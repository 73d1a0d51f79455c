// A process of its own: the storage emulator, so that registries under comparison share one storage and its cost is
// nobody's. Its argument is the data directory; it sends its parent the account, and ends when asked to by SIGTERM.
import { startAzurite } from '../../src/local/azurite.ts';

const dir = process.argv[2];
if (dir === undefined) throw new Error('the data directory is missing');
const azurite = await startAzurite({ dir });
process.once('SIGTERM', () => {
  void azurite.stop().then(() => process.exit(0));
});
process.send?.(azurite.options);
