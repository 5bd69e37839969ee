// Keeps the entries of a report over a reload: in this browser (IndexedDB), for this window (sessionStorage) and for what
// is duplicated from it. Where a browser refuses either, the report works as ever until the page is reloaded.
const WEEK = 7 * 24 * 60 * 60 * 1000; // what other windows left behind is removed when it is older

// Of this window, over a reload: a word, once it was set.
function remembered(name, word) {
  try {
    return word === undefined ? sessionStorage[name] : sessionStorage[name] = word;
  } catch { // the browser keeps nothing for this page
    return undefined;
  }
}

const VISIT = 'playground.report';
const visitOf = () => remembered(VISIT) ?? remembered(VISIT, `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`);

const answered = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

// The shelf of one window. Its methods never fail: what cannot be kept is not.
function shelf(visit, age = WEEK) {
  const opened = visit && new Promise((resolve, reject) => {
    const asked = indexedDB.open('playground-report', 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore('entries', {keyPath: ['visit', 'number']}).createIndex('at', 'at');
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = asked.onblocked = () => reject(asked.error);
  });
  const within = async (mode, work, failed) => {
    try {
      return await work((await opened).transaction('entries', mode).objectStore('entries'));
    } catch {
      return failed;
    }
  };
  opened?.catch?.(() => {});
  return {
    put: (entry) => within('readwrite', (entries) => answered(
      entries.put({visit, number: entry.number, at: entry.when.getTime(), text: JSON.stringify(entry)}))),
    drop: ({number}) => within('readwrite', (entries) => answered(entries.delete([visit, number]))),
    // What this window had kept, oldest first.
    all: async () => {
      await within('readwrite', async (entries) => {
        const old = await answered(entries.index('at').getAllKeys(IDBKeyRange.upperBound(Date.now() - age)));
        await Promise.all(old.filter(([of]) => of !== visit).map((key) => answered(entries.delete(key))));
      });
      const rows = await within('readonly', (entries) => answered(entries.getAll(IDBKeyRange.bound([visit, 0], [visit, Infinity]))), []);
      return rows.map(({text}) => JSON.parse(text)).map((entry) => ({...entry, when: new Date(entry.when)}));
    },
  };
}
