/** The way back from a changeset, and what to do where memories changed since. */

import { useState } from "preact/hooks";
import { ApiError, post } from "../../data/api";
import { isCode } from "../../data/fetching";
import { plural } from "../../ui/format";
import { Button, ButtonTwice, Dialog } from "../../ui/parts";
import { done, failed } from "../../ui/toasts";

/** Revert a changeset; where memories changed since, ask whether to revert the others. */
export function RevertButton({ id, after, small }: { id: string; after: () => Promise<unknown>; small?: boolean }) {
  const [conflict, setConflict] = useState<ApiError | null>(null);
  const [busy, setBusy] = useState(false);
  const revert = async (onConflict?: "skip") => {
    setBusy(true);
    try {
      const answer = await post<{ memories?: number | unknown[]; conflicts?: unknown[] }>(
        `/v1/changesets/${encodeURIComponent(id)}/revert`,
        onConflict ? { on_conflict: onConflict } : {},
      );
      setConflict(null);
      const skipped = answer.conflicts?.length ?? 0;
      done(skipped ? `Reverted; ${plural(skipped, "memory", "memories")} that changed since stayed as they are.` : "Reverted: everything is as it was before.");
      await after();
    } catch (error) {
      if (isCode(error, "changed_since") && !onConflict) setConflict(error as ApiError);
      else failed(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <ButtonTwice icon="undo" sure="Revert it all" busy={busy} small={small ?? false} onClick={() => void revert()}>Revert</ButtonTwice>
      <Dialog
        open={conflict !== null}
        title="Some memories changed since"
        onClose={() => setConflict(null)}
        actions={
          <>
            <Button onClick={() => setConflict(null)}>Leave it</Button>
            <Button kind="primary" busy={busy} onClick={() => void revert("skip")}>Revert the others</Button>
          </>
        }
      >
        <p>{conflict?.message}</p>
        <p class="quiet">Nothing was reverted. You may take back what nobody touched since; the changed memories stay as they are.</p>
      </Dialog>
    </>
  );
}
