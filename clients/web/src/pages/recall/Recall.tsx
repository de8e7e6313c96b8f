import { PageHead } from "../../ui/parts";

export default function Recall() {
  return <PageHead title="Recall lab" />;
}
